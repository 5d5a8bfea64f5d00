"""Whatever bytes come in: a request or a 400 comes out, soon."""

from __future__ import annotations

import json
import time
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from callgate.core.chat import ChatBody
from callgate.core.request import ChatRequest
from callgate.core.validate import parse_chat, prompt_bytes
from callgate.errors import GatewayError

BOUNDED = settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])

VALID: dict[str, Any] = {
    "model": "m",
    "messages": [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [
            {"type": "text", "text": "Hi \u00e9\U0001f600"},
            {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
        ]},
        {"role": "assistant", "tool_calls": [
            {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]},
        {"role": "tool", "tool_call_id": "1", "content": "4"},
    ],
    "temperature": 0.5, "max_tokens": 10, "stop": ["a"], "logit_bias": {"5": 1},
    "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}],
    "tool_choice": {"type": "function", "function": {"name": "f"}},
    "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {}}},
    "stream": True, "stream_options": {"include_usage": True}, "fallbacks": [{"model": "b"}],
    "metadata": {"k": "v"},
}  # fmt: skip
VALID_BYTES = json.dumps(VALID, ensure_ascii=False).encode()


def outcome(body: bytes) -> ChatRequest | GatewayError:
    """The request or the refusal, checked for what every one of them must hold."""
    try:
        request = parse_chat(body)
    except GatewayError as refusal:
        return sound_refusal(refusal)
    assert request.messages
    msgspec.json.encode([request.raw, request.body, request.unknown])
    assert agrees(request)
    return request


def sound_refusal(error: GatewayError) -> GatewayError:
    assert error.kind.status == 400
    assert error.message.startswith("Invalid request: ")
    assert 1 <= len(error.errors) <= 51
    assert all(0 < len(text) < 1000 for text in error.errors)
    msgspec.json.encode([error.message, error.param, error.errors])
    return error


def agrees(request: ChatRequest) -> bool:
    """Whether the typed form says what the original says: without nulls, defaults, unknowns."""
    typed = msgspec.json.decode(msgspec.json.encode(request.body))
    raw = msgspec.json.decode(msgspec.json.encode(request.raw))
    return bool(within(typed, raw)) and bytes(prompt_bytes(request)) in {
        bytes(request.raw[name]) for name in ("messages", "prompt") if name in request.raw
    }


def within(part: Any, whole: Any) -> bool:
    if isinstance(part, dict):
        return isinstance(whole, dict) and all(
            within(item, whole.get(name)) for name, item in part.items()
        )
    if isinstance(part, list):
        return len(part) == len(whole) and all(map(within, part, whole))
    return bool(part == whole)


FIELDS = st.sampled_from(
    [*ChatBody.__struct_fields__, "role", "content", "type", "text", "function", "name", "id",
     "url", "zz", "a.b", "tool_calls", "json_schema", "arguments"]
)  # fmt: skip
WORDS = st.sampled_from(
    ["user", "assistant", "tool", "system", "text", "image_url", "function", "auto", "m", ""]
)
SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5) | WORDS | st.sampled_from([0, 1, 2**63, -(2**63) - 1, 10**30, 1e308])
)  # fmt: skip
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(FIELDS | st.text(max_size=4), inner, max_size=5)
    ),
    max_leaves=20,
)
MESSAGES = st.lists(
    st.fixed_dictionaries(
        {"role": WORDS},
        optional={
            "content": WORDS | st.lists(
                st.dictionaries(st.sampled_from(["type", "text", "image_url"]), WORDS | VALUES,
                                max_size=3), max_size=3),
            "tool_call_id": WORDS, "name": WORDS, "tool_calls": VALUES,
        },
    ),
    max_size=4,
)  # fmt: skip
BODIES = st.fixed_dictionaries(
    {"model": st.just("m") | VALUES, "messages": MESSAGES | VALUES},
    optional=dict.fromkeys(ChatBody.__struct_fields__[2:], VALUES),
)


@settings(BOUNDED, max_examples=60)
@given(BODIES | VALUES)
def test_any_json_gives_a_request_or_a_400(value: Any) -> None:
    outcome(json.dumps(value).encode())


@BOUNDED
@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode()))
def test_any_bytes_give_a_400(body: bytes) -> None:
    assert isinstance(outcome(body), GatewayError)


SNIPPETS = st.sampled_from(
    [b"", b"{", b"}", b"[", b"]", b'"', b",", b":", b"\\", b"\\ud800", b"\\udfff", b"\\u0000",
     b"\xff", b"\xed\xa0\x80", b"\x00", b"NaN", b"-Infinity", b"1e999", b"9" * 5000, b"-0", b"00",
     b"1.0", b"null", b"true", b'"model":5,', b'"role":"user",', b"[" * 70 + b"]" * 70,
     b'{"a":' * 70 + b"1" + b"}" * 70]
)  # fmt: skip


@settings(BOUNDED, max_examples=300)
@given(
    st.lists(
        st.tuples(st.integers(0, len(VALID_BYTES)), st.integers(0, 8), SNIPPETS),
        min_size=1, max_size=3,
    )
)  # fmt: skip
def test_a_mutated_body_gives_a_request_or_a_400(edits: list[tuple[int, int, bytes]]) -> None:
    body = VALID_BYTES
    for at, length, snippet in edits:
        body = body[:at] + snippet + body[at + length :]
    outcome(body)


def spots(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value)
    return [
        spot
        for key, item in items
        for spot in ([(*path, key)] + (spots(item, (*path, key)) if isinstance(item, dict | list)
                                       else []))
    ]  # fmt: skip


@BOUNDED
@given(st.sampled_from(spots(VALID)), VALUES, st.booleans())
def test_a_body_with_one_value_replaced_or_left_out_gives_a_request_or_a_400(
    spot: tuple[Any, ...], value: Any, leave_out: bool
) -> None:
    changed = json.loads(VALID_BYTES)
    holder = changed
    for step in spot[:-1]:
        holder = holder[step]
    if leave_out:
        del holder[spot[-1]]
    else:
        holder[spot[-1]] = value
    outcome(json.dumps(changed).encode())


@BOUNDED
@given(st.permutations(list(VALID)), st.booleans())
def test_order_and_spelling_of_fields_do_not_matter(order: list[str], escaped: bool) -> None:
    body = json.dumps({name: VALID[name] for name in order}, indent=1).encode()
    if escaped:
        body = body.replace(b'"role"', b'"r\\u006fle"').replace(b'"stop"', b'"st\\u006fp"')
    request = outcome(body)
    assert isinstance(request, ChatRequest)
    assert request.body == parse_chat(VALID_BYTES).body
    assert request.unknown == ()


@BOUNDED
@given(st.lists(st.sampled_from(sorted(VALID)), min_size=1, max_size=4), VALUES)
def test_the_last_of_duplicate_fields_counts(names: list[str], value: Any) -> None:
    first = "".join(f"{json.dumps(name)}: {json.dumps(value)}, " for name in names)
    request = outcome(b"{" + first.encode() + VALID_BYTES[1:])
    assert isinstance(request, ChatRequest)
    assert request.body == parse_chat(VALID_BYTES).body


def padded(part: bytes, size: int = 4_000_000) -> bytes:
    return part * (size // len(part))


LARGE = {
    "a string": lambda: b'{"model":"m","messages":[{"role":"user","content":"'
    + padded(b"x", 20_000_000) + b'"}]}',
    "a model name": lambda: b'{"model":"' + padded(b"x") + b'","messages":[]}',
    "an unknown name": lambda: b'{"' + padded(b"x") + b'":1,"model":"m"}',
    "a number": lambda: b'{"model":"m","seed":' + padded(b"9") + b"}",
    "a fraction": lambda: b'{"model":"m","temperature":0.' + padded(b"1") + b"}",
    "escapes": lambda: b'{"model":"m","prompt":"' + padded(b"\\\\") + b'","x":"' + padded(b"\\n", 9)
    + b'"}',
    "opening brackets": lambda: padded(b"["),
    "opening braces": lambda: padded(b'{"a":'),
    "brackets side by side": lambda: b'{"model":"m","metadata":{"a":['
    + padded(b"[],", 2_000_000) + b"1]}}",
    "brackets to the brim": lambda: b'{"model":"m","metadata":{"a":['
    + padded(b"[" * 60 + b"]" * 60 + b",", 2_000_000) + b"1]}}",
    "unknown fields": lambda: b'{"model":"m"'
    + b"".join(b',"x%d":1' % number for number in range(200_000)) + b"}",
    "wrong messages": lambda: b'{"model":"m","messages":[' + padded(b"1,", 5_000_000) + b"1]}",
    "wrong parts": lambda: b'{"model":"m","messages":[{"role":"user","content":['
    + padded(b"{},", 60_000) + b"1]}]}",
    "numbers out of range": lambda: b'{"model":"m","zz":[' + padded(b"1e999,", 2_000_000) + b"1]}",
}  # fmt: skip


@pytest.mark.parametrize("name", LARGE)
def test_large_bodies_are_judged_in_bounded_time(name: str) -> None:
    body = LARGE[name]()
    start = time.process_time()
    outcome(body)
    assert time.process_time() - start < 5
