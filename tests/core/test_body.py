"""Bodies that are no JSON object, and how deep one may nest."""

from __future__ import annotations

import pytest

from callgate.core.validate import parse_chat
from callgate.errors import GatewayError


def refusal(body: bytes) -> GatewayError:
    with pytest.raises(GatewayError) as caught:
        parse_chat(body)
    assert caught.value.kind.status == 400
    return caught.value


NOT_JSON = [
    (b"", "the body is empty"),
    (b" \n", "the body is empty"),
    (b"[]", "the body must be a JSON object, got an array"),
    (b'"a"', "the body must be a JSON object, got a string"),
    (b" null", "the body must be a JSON object, got null"),
    (b"-1", "the body must be a JSON object, got a number"),
    (b"true", "the body must be a JSON object, got a boolean"),
    (b'{"model": "m"} x',
     "the body is not valid JSON: trailing characters at byte 16 (line 1, column 17)"),
    (b'{"model": "m",\n "n": NaN}',
     "the body is not valid JSON: invalid character at byte 21 (line 2, column 7)"),
    (b'{"n": -Infinity}',
     "the body is not valid JSON: invalid character at byte 7 (line 1, column 8)"),
    (b'{"model": "m',
     "the body is not valid JSON: it ends too early at byte 12 (line 1, column 13)"),
    (b"{'a': 1}",
     "the body is not valid JSON: object keys must be strings at byte 1 (line 1, column 2)"),
    (b'{"model": "\\ud800"}', "the body is not valid JSON: a string holds half a surrogate pair"),
    (b'{"zz": "\\udc00 and so on and on"}',
     "the body is not valid JSON: invalid utf-16 surrogate pair at byte 14 (line 1, column 15)"),
    (b'{"zz": "\xff"}', "the body is not valid UTF-8 at byte 8 (line 1, column 9)"),
    (b'{"model": "m\xed\xa0\x80"}', "the body is not valid UTF-8 at byte 12 (line 1, column 13)"),
    (b'{"n": 1e999, "zz": "\xff"}', "the body is not valid UTF-8 at byte 20 (line 1, column 21)"),
    (b'\xef\xbb\xbf{"model": "m"}',
     "the body is not valid JSON: invalid character at byte 0 (line 1, column 1)"),
    (b"[" * 100_000, "the body must be a JSON object, got an array"),
    (b'{"a":' * 100_000, "the body is nested deeper than 64 levels"),
    (b'{"zz":' + b"[" * 64 + b"]" * 64 + b"}", "the body is nested deeper than 64 levels"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "text"), NOT_JSON)
def test_a_body_that_is_no_json_object_is_told_why_and_where(body: bytes, text: str) -> None:
    error = refusal(body)
    assert error.kind.type == "invalid_json"
    assert error.message == f"Invalid request: {text}"
    assert error.param is None


@pytest.mark.parametrize("filler", ["[]", '"]]]]"', '"\\\\"', '"\\"[[["', '{"k":"{"}', '"\\n\\""'])
@pytest.mark.parametrize("depth", [62, 63])
def test_brackets_in_strings_are_no_depth(filler: str, depth: int) -> None:
    """The deepest item lies at level `depth` + 1, with a container as filler one deeper."""
    inner = ",".join([filler] * 70)
    body = b'{"model":"m","prompt":"Hi","metadata":%s}'
    nested = '{"k":' + "[" * (depth - 2) + inner + "]" * (depth - 2) + "}"
    request = parse_chat(body % nested.encode())
    assert request.body.metadata is not None
    too_deep = '{"k":' + "[" * (depth + 1) + inner + "]" * (depth + 1) + "}"
    assert refusal(body % too_deep.encode()).kind.type == "invalid_json"
