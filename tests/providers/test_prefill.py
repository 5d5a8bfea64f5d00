"""Which targets are given the beginning of an answer."""

from __future__ import annotations

from dataclasses import replace

import pytest

from callgate.core.target import Target
from callgate.providers.prefill import prefill_of
from callgate.providers.registry import VENDORS

from .samples import target_of


def target(vendor: str, model: str, path: str = "/v1", **options: str) -> Target:
    given = target_of("openai")
    deployment = replace(
        given.deployment, vendor=VENDORS[vendor], upstream_model=model, path=path, options=options
    )
    return given.replace(deployment=deployment)


@pytest.mark.parametrize(
    ("vendor", "model", "takes"),
    [
        ("anthropic", "claude-3-5-sonnet-20240620", True),
        ("anthropic", "claude-sonnet-4-20250514", True),
        ("anthropic", "claude-opus-4-1-20250805", True),
        ("anthropic", "claude-haiku-4-5", True),
        ("anthropic", "claude-sonnet-4-6", False),
        ("anthropic", "claude-opus-4-10", False),
        ("anthropic", "claude-opus-5", False),
        ("anthropic", "claude-mythos-preview", False),
        ("vertex", "claude-sonnet-4@20250514", True),
        ("vertex", "gemini-2.5-pro", False),
        ("bedrock", "us.anthropic.claude-haiku-4-5-20251001-v1:0", True),
        ("bedrock", "us.anthropic.claude-opus-4-6-v1", False),
        ("bedrock", "anthropic.claude-v2:1", True),
        ("bedrock", "amazon.nova-pro-v1:0", True),
        ("bedrock", "meta.llama3-70b-instruct-v1:0", False),
        ("openrouter", "anthropic/claude-haiku-4.5", True),
        ("openrouter", "anthropic/claude-sonnet-4.6", False),
        ("openrouter", "openai/gpt-4.1", False),
        ("openai", "gpt-4.1", False),
        ("gemini", "gemini-2.5-pro", False),
        ("cohere", "command-a-03-2025", False),
        ("groq", "llama-3.3-70b-versatile", True),
        ("groq", "openai/gpt-oss-120b", False),
        ("llama.cpp", "any", True),
    ],
)
def test_only_targets_known_to_go_on_are_given_a_beginning(
    vendor: str, model: str, *, takes: bool
) -> None:
    assert (prefill_of(target(vendor, model)) is not None) is takes


def test_they_are_told_in_their_own_way() -> None:
    mistral = prefill_of(target("mistral", "mistral-large-latest"))
    assert mistral is not None
    assert (mistral.mark, mistral.echoes) == ("prefix", True)
    assert prefill_of(target("deepseek", "deepseek-chat", path="")) is None
    deepseek = prefill_of(target("deepseek", "deepseek-chat", path="/beta"))
    assert deepseek is not None
    assert deepseek.mark == "prefix"
    vllm = prefill_of(target("vllm", "any"))
    assert vllm is not None
    assert vllm.fields == {"continue_final_message": True, "add_generation_prompt": False}


def test_the_operator_knows_better() -> None:
    assert prefill_of(target("anthropic", "claude-haiku-4-5", prefill="none")) is None
    partial = prefill_of(target("openai", "gpt-4.1", prefill="partial"))
    assert partial is not None
    assert partial.mark == "partial"
