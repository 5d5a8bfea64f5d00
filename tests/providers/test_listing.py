"""Providers' lists of models: where they are, how they are read, which ids mean the same."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from callgate.core.http import HttpResponse, split_url
from callgate.core.models import Deployment
from callgate.providers.aliases import find
from callgate.providers.listing import LISTS, lists_of, scope_of
from callgate.providers.registry import DIALECTS, VENDORS

from .samples import SECRET, target_of


def deployment(vendor: str, base: str = "", **options: str) -> Deployment:
    made = target_of(vendor).deployment
    if base:
        origin, path = split_url(base)
        made = replace(made, origin=origin, path=path)
    return replace(made, options=options)


def urls(made: Deployment) -> list[str]:
    requests = [one.request(made) for one in lists_of(made)]
    assert all(SECRET not in f"{request} {request.headers}" for request in requests)
    assert {request.method for request in requests} <= {"GET"}
    return [f"{request.origin}{request.path}" for request in requests]


def read(dialect: str, body: Any, at: int = 0) -> tuple[Sequence[str], str]:
    return LISTS[dialect][at].read(HttpResponse(200, {}, json.dumps(body).encode()))


VERTEX = "aiplatform.googleapis.com/v1beta1/publishers"


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (deployment("openai"), ["https://api.openai.com/v1/models"]),
        (deployment("groq"), ["https://api.groq.com/openai/v1/models"]),
        (deployment("anthropic"), ["https://api.anthropic.com/v1/models?limit=1000"]),
        (
            deployment("gemini"),
            ["https://generativelanguage.googleapis.com/v1beta/models?pageSize=1000"],
        ),
        (
            deployment("cohere"),
            ["https://api.cohere.com/v1/models?endpoint=chat&page_size=1000"],
        ),
        (
            deployment("bedrock"),
            [
                "https://bedrock.us-east-1.amazonaws.com/foundation-models",
                "https://bedrock.us-east-1.amazonaws.com/inference-profiles?maxResults=1000",
            ],
        ),
        (
            deployment("bedrock", "https://bedrock-runtime-fips.us-west-2.amazonaws.com"),
            [
                "https://bedrock-fips.us-west-2.amazonaws.com/foundation-models",
                "https://bedrock-fips.us-west-2.amazonaws.com/inference-profiles?maxResults=1000",
            ],
        ),
        (
            deployment("azure", "https://r.openai.azure.com", api_version="2025-01-01"),
            ["https://r.openai.azure.com/openai/models?api-version=2025-01-01"],
        ),
        (
            deployment("azure", "https://r.openai.azure.com/openai/v1"),
            ["https://r.openai.azure.com/openai/v1/models"],
        ),
        (deployment("azure", "https://r.services.ai.azure.com/models"), []),
        (
            deployment("vertex", location="europe-west1", project="p"),
            [
                f"https://europe-west1-{VERTEX}/{name}/models?pageSize=300"
                for name in ("google", "anthropic")
            ],
        ),
        (
            deployment(
                "vertex", "https://aiplatform.googleapis.com/v1/projects/p/locations/global"
            ),
            [f"https://{VERTEX}/{name}/models?pageSize=300" for name in ("google", "anthropic")],
        ),
    ],
)
def test_each_vendor_is_asked_where_it_keeps_its_list(
    made: Deployment, expected: list[str]
) -> None:
    assert urls(made) == expected


def test_every_dialect_has_its_row() -> None:
    assert set(LISTS) >= set(DIALECTS)
    assert {vendor.dialect for vendor in VENDORS.values()} <= set(LISTS)


def test_google_bills_the_operator_s_project() -> None:
    made = deployment("vertex", project="p")
    assert ("x-goog-user-project", "p") in lists_of(made)[0].request(made).headers


@pytest.mark.parametrize(
    ("dialect", "body", "ids", "cursor"),
    [
        ("openai", {"data": [{"id": "a", "aliases": ["b", 5]}, {"id": 7}, "x"]}, ("a", "b"), ""),
        ("openai", [{"id": "a"}, {"id": "a"}], ("a",), ""),
        ("anthropic", {"data": [{"id": "a"}], "has_more": True, "last_id": "a"}, ("a",), "a"),
        ("anthropic", {"data": [{"id": "a"}], "has_more": False, "last_id": "a"}, ("a",), ""),
        ("gemini", {"models": [{"name": "models/a"}], "nextPageToken": "t"}, ("models/a",), "t"),
        ("gemini", {"models": [{"name": "models/a"}], "nextPageToken": 3}, ("models/a",), ""),
        ("cohere", {"models": [{"name": "a"}]}, ("a",), ""),
    ],
)
def test_ids_and_cursor_are_read_from_every_dialects_list(
    dialect: str, body: Any, ids: tuple[str, ...], cursor: str
) -> None:
    assert read(dialect, body) == (ids, cursor)


@pytest.mark.parametrize("body", [{}, {"data": None}, {"data": {"id": "a"}}, "text", 5, None])
def test_what_is_no_list_is_refused(body: Any) -> None:
    with pytest.raises(ValueError, match="list"):
        read("openai", body)
    with pytest.raises(ValueError, match="JSON"):
        LISTS["openai"][0].read(HttpResponse(200, {}, b"<html>"))


def test_the_cursor_is_asked_for_behind_what_stands_there() -> None:
    made = deployment("gemini")
    path = lists_of(made)[0].request(made, "a&b").path
    assert path.endswith("/models?pageSize=1000&pageToken=a%26b")


def test_a_vendors_lists_tell_of_all_some_or_none_of_its_models() -> None:
    told = {name: scope_of(lists) for name, lists in LISTS.items()}
    assert (told["openai"], told["azure"], told["vertex"]) == ("all", "none", "some")
    assert scope_of(()) == "none"


@pytest.mark.parametrize(
    ("asked", "listed", "found"),
    [
        ("a", ["a", "a-2025-04-14"], "a"),
        ("gpt-4.1", ["gpt-4.1-2025-04-14", "gpt-4.1-2025-01-01"], "gpt-4.1-2025-04-14"),
        ("gpt-4.1", ["gpt-4.1-mini", "gpt-4.1-mini-2025-04-14"], None),
        ("gpt-4.1-2025-04-14", ["gpt-4.1"], None),
        ("gpt-4", ["gpt-4-0613"], "gpt-4-0613"),
        ("claude-sonnet-4-5", ["claude-sonnet-4-5-20250929"], "claude-sonnet-4-5-20250929"),
        ("claude-sonnet-4-0", ["claude-sonnet-4-20250514"], "claude-sonnet-4-20250514"),
        ("claude-x-latest", ["claude-x-20250101"], "claude-x-20250101"),
        ("gemini-x", ["models/gemini-x"], "models/gemini-x"),
        ("models/gemini-x", ["models/gemini-x"], "models/gemini-x"),
        ("claude-x@20250929", ["publishers/anthropic/models/claude-x"],
         "publishers/anthropic/models/claude-x"),
        ("llama3", ["llama3:latest"], "llama3:latest"),
        ("maker/model:nitro", ["maker/model"], "maker/model"),
        ("amazon.nova-v1:0", ["amazon.nova-v1:0:24k"], None),
        ("us.amazon.nova-v1:0", ["amazon.nova-v1:0"], "amazon.nova-v1:0"),
        ("global.anthropic.x", ["anthropic.x", "us.anthropic.x"], None),
        ("x", [], None),
    ],
)  # fmt: skip
def test_a_model_is_found_under_the_other_ids_it_is_listed_by(
    asked: str, listed: list[str], found: str | None
) -> None:
    assert find(asked, dict.fromkeys(listed)) == found
