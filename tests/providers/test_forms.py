"""Which target has which form of structured output of its own."""

from __future__ import annotations

import pytest

from callgate.core.http import Origin
from callgate.core.models import Deployment, Model, Vendor
from callgate.core.secret import Secret
from callgate.core.structured import Forms
from callgate.core.target import Target
from callgate.providers.forms import forms_of
from callgate.providers.registry import VENDORS


def forms(vendor: Vendor | str, upstream_model: str, supported: tuple[str, ...] = ()) -> Forms:
    row = VENDORS[vendor] if isinstance(vendor, str) else vendor
    deployment = Deployment(
        id="d", provider=row.name, vendor=row, upstream_model=upstream_model,
        origin=Origin("https", "h", 443), path="", secret=Secret(""),
    )  # fmt: skip
    model = Model(name="m", deployments=(deployment,), supported_parameters=supported)
    return forms_of(Target(model, deployment))


@pytest.mark.parametrize(
    ("vendor", "model", "schema", "any_object", "tool"),
    [
        ("openai", "gpt-4.1", True, True, "named"),
        ("openai", "gpt-4o-2024-08-06", True, True, "named"),
        ("openai", "gpt-4-turbo", False, True, "named"),
        ("openai", "gpt-4", False, False, ""),
        ("openai", "o1-mini", False, False, ""),
        ("openai", "o1", True, True, "named"),
        ("azure", "my-deployment", True, True, "named"),
        ("anthropic", "claude-opus-4-8", True, False, "named"),
        ("anthropic", "claude-sonnet-4-5-20250929", True, False, "named"),
        ("anthropic", "claude-opus-4-1-20250805", False, False, "named"),
        ("anthropic", "claude-sonnet-4-20250514", False, False, "named"),
        ("anthropic", "claude-3-5-haiku-20241022", False, False, "named"),
        ("anthropic", "claude-haiku-5-5", True, False, "named"),
        ("anthropic", "claude-opus-5-5", True, False, ""),
        ("vertex", "claude-sonnet-5-5", True, False, ""),
        ("bedrock", "us.anthropic.claude-fable-5-1", True, False, ""),
        ("bedrock", "us.anthropic.claude-fable-5", True, False, "named"),
        ("anthropic", "some-other", False, False, "named"),
        ("vertex", "claude-sonnet-4-5@20250929", False, False, "named"),
        ("vertex", "claude-opus-4-6", True, False, "named"),
        ("vertex", "gemini-2.5-flash", True, True, "named"),
        ("gemini", "gemini-2.5-flash", True, True, "named"),
        ("gemini", "gemma-3-27b-it", False, False, ""),
        ("bedrock", "us.anthropic.claude-sonnet-4-5-20250929-v1:0", True, False, "named"),
        ("bedrock", "anthropic.claude-3-haiku-20240307-v1:0", False, False, "named"),
        ("bedrock", "amazon.nova-pro-v1:0", False, False, "named"),
        ("bedrock", "meta.llama3-70b-instruct-v1:0", False, False, ""),
        ("bedrock", "openai.gpt-oss-120b-1:0", True, False, ""),
        ("cohere", "command-a-03-2025", True, True, "required"),
        ("deepseek", "deepseek-chat", False, True, "named"),
        ("deepseek", "deepseek-reasoner", False, True, ""),
        ("groq", "openai/gpt-oss-20b", True, True, "named"),
        ("groq", "llama-3.3-70b-versatile", False, True, "named"),
        ("mistral", "mistral-large-latest", True, True, "named"),
        ("openai-compatible", "anything", True, True, "named"),
        ("openai-compatible", "gpt-4", True, True, "named"),
        ("local", "smollm2", True, True, ""),
        ("llama.cpp", "some.gguf", True, True, ""),
    ],
)
def test_each_target_has_its_forms(
    vendor: str, model: str, schema: bool, any_object: bool, tool: str
) -> None:
    found = forms(vendor, model)
    assert (found.schema is not None, found.object, found.tool) == (schema, any_object, tool)


def test_a_server_of_a_dialect_is_like_the_dialects_vendor() -> None:
    own = Vendor(name="mine", dialect="anthropic")
    assert forms(own, "claude-opus-4-8").schema == ("claude-format",)
    assert forms(Vendor(name="mine", dialect="openai"), "gpt-3.5-turbo") == Forms()


def test_what_the_models_parameters_leave_out_is_not_used() -> None:
    assert forms("openai", "gpt-4.1", ("temperature",)) == Forms(
        schema=None, object=False, tool="", lenient=True
    )
    with_tools = forms("openai", "gpt-4.1", ("tools", "tool_choice"))
    assert (with_tools.schema, with_tools.tool) == (None, "named")
    assert forms("openai", "gpt-4.1", ("response_format",)).schema == ("openai-format",)


def test_functions_beside_a_form_are_known() -> None:
    assert not forms("gemini", "gemini-2.5-pro").beside_tools
    assert forms("gemini", "gemini-3-pro-preview").beside_tools
    assert not forms("cohere", "command-a-03-2025").beside_tools
