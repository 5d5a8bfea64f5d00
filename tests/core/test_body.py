"""Bodies that are no JSON object, and how deep one may nest."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from functools import reduce
from typing import Any

import msgspec
import pytest
from msgspec import inspect

from callgate.core.body import MAX_DEPTH
from callgate.core.chat import ChatBody
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
    (b"model=m", "the body is not valid JSON: invalid character at byte 0 (line 1, column 1)"),
    (b'\xef\xbb\xbf{"model": "m"}',
     "the body is not valid JSON: it begins with a byte order mark, which JSON does not allow"),
    ('\ufeff{"model": "m"}'.encode("utf-16-le"),
     "the body is not valid JSON: it is UTF-16, but has to be UTF-8"),
    (gzip.compress(b"{}", mtime=0), "the body is not valid JSON: it is compressed by gzip"),
    (b"[" * 100_000, "the body must be a JSON object, got an array"),
    (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "the body is nested deeper than 64 levels"),
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


NESTED: list[Any] = reduce(lambda inner, _: [inner], range(MAX_DEPTH), [])


def nested_values(kind: inspect.Type) -> Iterator[tuple[str, Any]]:
    """For each place where this type lets anything stand: its path, and a value with it filled."""
    match kind:
        case inspect.AnyType():
            yield "", NESTED
        case inspect.Metadata(type=inner):
            yield from nested_values(inner)
        case inspect.UnionType(types=types):
            for one in types:
                yield from nested_values(one)
        case inspect.ListType(item_type=inner):
            yield from ((f"[]{path}", [value]) for path, value in nested_values(inner))
        case inspect.DictType(value_type=inner):
            yield from ((f"{{}}{path}", {"k": value}) for path, value in nested_values(inner))
        case inspect.StructType(fields=fields):
            needed = {field.name: simple_value(field.type) for field in fields if field.required}
            for field in fields:
                for path, value in nested_values(field.type):
                    yield f".{field.name}{path}", {**needed, field.name: value}


def simple_value(kind: inspect.Type) -> str:
    match kind:
        case inspect.Metadata(type=inner):
            return simple_value(inner)
        case inspect.LiteralType(values=values):
            return "user" if "user" in values else str(values[0])
    assert isinstance(kind, inspect.StrType)
    return "x"


@pytest.mark.parametrize(("path", "fields"), list(nested_values(inspect.type_info(ChatBody))))
def test_wherever_a_body_lets_anything_stand_its_depth_is_bounded(
    path: str, fields: dict[str, Any]
) -> None:
    message = {"role": "user", "content": "Hi"}
    given = [{**message, **one} for one in fields.get("messages", [message])]
    body = msgspec.json.encode({**fields, "messages": given})
    msgspec.json.decode(body, type=ChatBody)
    assert "nested deeper" in refusal(body).message


@pytest.mark.parametrize(
    ("body", "levels"),
    [
        (b'{"model":"m","prompt":"Hi","metadata":%s}', 1),
        (b'{"model":"m","messages":[{"role":"user","content":"Hi","audio":%s}]}', 3),
        (b'{"model":"m","messages":[{"role":"user","content":"[{","annotations":[%s]}]}', 4),
    ],
)
def test_the_levels_around_what_may_nest_count_too(body: bytes, levels: int) -> None:
    inside = MAX_DEPTH - levels - 1
    assert parse_chat(body % (b'{"k":' + b"[" * inside + b"]" * inside + b"}")).raw
    inside += 1
    error = refusal(body % (b'{"k":' + b"[" * inside + b"]" * inside + b"}"))
    assert "nested deeper" in error.message
