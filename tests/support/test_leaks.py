"""The search for secrets in files that are about to leave the house."""

from __future__ import annotations

import json

import pytest

from callgate.core.secret import Secret
from callgate.support.leaks import Leak, Redactor

REDACTOR = Redactor([Secret("planted-and-known")])
LOOKS = "what looks like a secret"
DEEP = '{"a":' * 120 + "1" + "}" * 120


def found(file: str, text: str) -> list[Leak]:
    return list(REDACTOR.leaks(file, text.encode()))


@pytest.mark.parametrize(
    ("file", "text", "leak"),
    [
        ("a.txt", "one\nplanted-and-known\n", Leak("a.txt", 2, "a known secret")),
        ("a.txt", "one\ntwo\nof org-abcdef1234\n", Leak("a.txt", 3, LOOKS)),
        ("a.sh", "curl https://me:pw@host.example/", Leak("a.sh", 1, LOOKS)),
        ("a.json", '{"note": "of org-abcdef1234"}', Leak("a.json", 1, LOOKS)),
        ("a.json", '{"of org-abcdef1234": 1}', Leak("a.json", 1, LOOKS)),
        ("a.json", '[{"api_key": "short"}]', Leak("a.json", 1, LOOKS)),
        ("a.json", DEEP, Leak("a.json", 1, LOOKS)),
        ("a.json", "no JSON, of org-abcdef1234", Leak("a.json", 1, LOOKS)),
    ],
    ids=["known", "line", "url", "value", "name", "field", "deep", "no-json"],
)
def test_what_should_not_be_there_is_found_with_its_place(file: str, text: str, leak: Leak) -> None:
    assert found(file, text) == [leak]


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("a.txt", "nothing\nto see here\n"),
        ("a.json", json.dumps({"request_id": "01997c3e7d3a7c129a415c1f0c6f2b7e01997c3e"})),
        ("a.json", '{"api_key": "[redacted]", "n": [1, null, "x"]}'),
        ("a.json", "no JSON"),
    ],
    ids=["text", "id", "redacted", "no-json"],
)
def test_what_may_be_there_is_no_leak(file: str, text: str) -> None:
    assert found(file, text) == []
