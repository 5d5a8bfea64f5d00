"""JSON that others wrote."""

from __future__ import annotations

import json

import pytest

from callgate.core.jsontext import inert, parse, parse_object


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b'{"a": 1}', {"a": 1}),
        (b'\n\n {"a": 1}\n', {"a": 1}),
        ('{"a": "é😀"}'.encode(), {"a": "é😀"}),
        (b'{"a": "\\ud83d\\ude00"}', {"a": "\N{GRINNING FACE}"}),
        (b'{"a": "x\\ud83d"}', {"a": "x\ufffd"}),
        (b'{"\\ude00": ["\\ude00y"]}', {"\ufffd": ["\ufffdy"]}),
        (b'{"a": "x\xff"}', {"a": "x\ufffd"}),
        (b'{"a": "x\ny"}', {"a": "x\ny"}),
        (b"123456789012345678901234567890", 123456789012345678901234567890),
    ],
)
def test_sound_json_and_json_with_broken_characters_is_read(data: bytes, value: object) -> None:
    assert parse(data) == value


@pytest.mark.parametrize(
    "data",
    [b"", b"{", b'{"a":1}x', b"<html>", b'{"a": NaN}', b'{"a": Infinity}', b'{"a": 1e999}',
     b"[" * 100_000, b'{"a":' * 5000, b"9" * 6000, b'"\\x"', b"{'a': 1}"],
)  # fmt: skip
def test_what_is_no_json_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="JSON"):
        parse(data)


@pytest.mark.parametrize(
    ("body", "what"),
    [
        (b"", "not JSON"),
        (b"<p>", "not JSON"),
        (b"[{}]", "not an object"),
        (b"null", "not an object"),
    ],
)
def test_a_body_that_is_no_object_is_told_by_what_it_is(body: bytes, what: str) -> None:
    assert parse_object(b' {"a": "\xff"}') == {"a": "\ufffd"}
    with pytest.raises(ValueError, match=f"{what}$"):
        parse_object(body)


def test_no_terminal_obeys_it_and_it_says_the_same() -> None:
    said = {"a": "\x9b31m \x7f \u202e\u2028 \x1b[0m \r\n é 🥶"}
    text = inert(json.dumps(said, ensure_ascii=False))
    assert json.loads(text) == said
    assert text.isprintable()
    assert "é 🥶" in text
    assert inert('{"a":1}') == '{"a":1}'
