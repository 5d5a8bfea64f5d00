"""The name of who speaks, where an API has no place for it."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from callgate.core.chat import Message
from callgate.core.http import Origin
from callgate.core.models import Deployment, Model
from callgate.core.secret import Secret
from callgate.core.target import Target
from callgate.core.validate import parse_chat
from callgate.providers.registry import DIALECTS, VENDORS
from callgate.providers.speaker import spoken

PICTURE: dict[str, Any] = {"type": "image_url", "image_url": {"url": "https://a.example/b.png"}}


def said(**fields: Any) -> Any:
    message = msgspec.convert({"role": "user", "name": "Ada", **fields}, Message)
    made = spoken(message)
    assert made.name is None
    return msgspec.to_builtins(made)["content"]


def test_the_name_goes_before_the_words() -> None:
    assert said(content="Hello!") == "Ada: Hello!"
    assert said(content=[PICTURE, {"type": "text", "text": "What is it?"}]) == [
        PICTURE, {"type": "text", "text": "Ada: What is it?"},
    ]  # fmt: skip
    assert said(content=[PICTURE]) == [{"type": "text", "text": "Ada:"}, PICTURE]


@pytest.mark.parametrize("content", ["", []])
def test_who_says_nothing_is_not_named(content: object) -> None:
    assert said(content=content) == content


def test_a_message_without_a_name_stays_what_it_is() -> None:
    message = Message(role="user", content="Hello!")
    assert spoken(message) is message


MESSAGES = [
    {"role": "system", "name": "Rules", "content": "Be brief."},
    {"role": "user", "name": "Ada", "content": "Hello!"},
    {"role": "assistant", "name": "Bot", "content": "Hi."},
    {"role": "user", "content": [{"type": "text", "text": "Who am I?"}], "name": "Bo"},
]


@pytest.mark.parametrize("dialect", ["anthropic", "bedrock", "cohere", "gemini"])
def test_every_dialect_without_names_says_them(dialect: str) -> None:
    deployment = Deployment(
        id="p/m",
        provider="p",
        vendor=VENDORS[dialect],
        upstream_model="m",
        origin=Origin("http", "localhost", 1),
        path="",
        secret=Secret(""),
    )
    target = Target(Model(name="m", deployments=(deployment,)), deployment)
    request = parse_chat(json.dumps({"model": "m", "messages": MESSAGES}).encode())
    body = DIALECTS[dialect].encode(request, target).body.decode()
    for words in ("Rules: Be brief.", "Ada: Hello!", "Bot: Hi.", "Bo: Who am I?"):
        assert words in body
    assert '"name"' not in body
