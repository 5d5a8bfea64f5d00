"""Which requests go to the Responses API, and which stay with Chat Completions."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from callgate.core.validate import parse_chat
from callgate.providers.azure import Azure
from callgate.providers.openai.dialect import OpenAI
from callgate.providers.registry import DIALECTS, VENDORS, dialect_of
from callgate.providers.responses.dialect import Responses

from .responses_wire import HELLO, WEATHER
from .samples import target_of

VENDOR = replace(VENDORS["openai"], responses=True)
CUSTOM = {"type": "custom", "custom": {"name": "c"}}


def chosen(model: str, vendor: Any = VENDOR, **body: Any) -> type:
    request = parse_chat(json.dumps({"model": "m", "messages": HELLO, **body}).encode())
    return type(dialect_of(request, target_of(vendor, upstream_model=model)))


@pytest.mark.parametrize(
    ("model", "beside"),
    [
        ("gpt-6.2-astra", ()),
        ("gpt-6.2-sol", ()),
        ("gpt-6-astra", ()),
        ("GPT-6-Astra-2026-09-03", ()),
        ("gpt-6.1-sol", ()),
        ("gpt-6.1-terra", ("none",)),
        ("gpt-6-sol", ("none",)),
        ("gpt-6-luna", ("none",)),
        ("gpt-5.6-sol", ("none",)),
        ("gpt-5.6", ("none",)),
        ("gpt-5.5", (None, "none")),
        ("gpt-5.4-mini", (None, "none")),
        ("gpt-5.2", (None, "none", "low", "high")),
        ("gpt-5", (None, "none", "low", "high")),
        ("gpt-4.1", (None, "none", "low", "high")),
        ("gpt-60-sol", (None, "none", "low", "high")),
        ("my-gpt-6-sol", (None, "none", "low", "high")),
    ],
)
def test_functions_beside_thoughts_go_to_responses(
    model: str, beside: tuple[str | None, ...]
) -> None:
    for effort in (None, "none", "low", "high"):
        asked = {} if effort is None else {"reasoning_effort": effort}
        api = chosen(model, tools=[WEATHER], **asked)
        assert (api is OpenAI) == (effort in beside)
        for other in ({}, {"tools": []}, {"tools": [CUSTOM]}):
            assert chosen(model, **other, **asked) is OpenAI


@pytest.mark.parametrize("model", ["gpt-5.5-pro", "o3-pro", "gpt-5-codex", "o3-deep-research"])
def test_models_that_chat_completions_does_not_have_go_to_responses(model: str) -> None:
    assert chosen(model) is Responses
    assert chosen(model, VENDORS["openai"]) is OpenAI


def test_a_field_of_the_responses_api_alone_goes_there_beside_functions() -> None:
    assert chosen("gpt-5.4", tools=[WEATHER], reasoning={"summary": "auto"}) is Responses


@pytest.mark.parametrize(
    ("vendor", "upstream", "name", "api"),
    [
        ("azure", "our-own", "gpt-6-astra", Responses),
        ("azure", "gpt-6-astra", "our-own", Responses),
        ("azure", "our-own", "our-own", Azure),
        ("openai", "gpt-4.1", "gpt-6-astra", OpenAI),
    ],
)
def test_azures_deployments_may_have_any_name(
    vendor: str, upstream: str, name: str, api: type
) -> None:
    target = target_of(replace(VENDORS[vendor], responses=True), upstream_model=upstream)
    target = target.replace(model=replace(target.model, name=name))
    body = {"model": "m", "messages": HELLO, "tools": [WEATHER]}
    assert type(dialect_of(parse_chat(json.dumps(body).encode()), target)) is api


@pytest.mark.parametrize("vendor", sorted(VENDORS))
def test_no_vendor_has_it_unless_the_configuration_says_so(vendor: str) -> None:
    dialect = type(DIALECTS[VENDORS[vendor].dialect])
    assert chosen("gpt-6-astra", VENDORS[vendor], tools=[WEATHER]) is dialect
