"""Which targets take `cache_control`."""

from __future__ import annotations

from dataclasses import replace

import pytest

from callgate.core.http import Origin
from callgate.core.models import Deployment, Model
from callgate.core.secret import Secret
from callgate.core.target import Target
from callgate.providers.cachemarks import takes_marks
from callgate.providers.registry import VENDORS


@pytest.mark.parametrize(
    ("vendor", "upstream", "taken"),
    [
        ("anthropic", "claude-sonnet-4-6", True),
        ("vertex", "claude-sonnet-4-6", True),
        ("vertex", "gemini-2.5-pro", False),
        ("bedrock", "us.anthropic.claude-sonnet-4-6", True),
        ("bedrock", "amazon.nova-pro-v1:0", True),
        ("bedrock", "meta.llama4-scout-17b-instruct-v1:0", False),
        ("openrouter", "google/gemini-2.5-pro", True),
        ("assemblyai", "gpt-4.1", True),
        ("openai", "gpt-4.1", False),
        ("azure", "gpt-4.1", False),
        ("gemini", "gemini-2.5-pro", False),
        ("cohere", "command-a-03-2025", False),
        ("groq", "llama-3.3-70b-versatile", False),
        ("openai-compatible", "anthropic/claude-sonnet-4-6", True),
        ("openai-compatible", "meta-llama/Llama-3.1-8B-Instruct", False),
    ],
)
def test_marks_go_to_those_who_know_them(vendor: str, upstream: str, taken: bool) -> None:
    deployment = Deployment(
        id="p/m",
        provider="p",
        vendor=replace(VENDORS[vendor], name="p")
        if vendor == "openai-compatible"
        else VENDORS[vendor],
        upstream_model=upstream,
        origin=Origin("http", "localhost", 1),
        path="",
        secret=Secret(""),
    )
    model = Model(name="m", deployments=(deployment,))
    assert takes_marks(Target(model, deployment)) is taken
