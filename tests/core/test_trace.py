"""W3C trace context."""

from __future__ import annotations

import pytest

from callgate.core.trace import TraceContext, begun, headers, received, span_id

REQUEST = "01a20693-8e9e-76f0-9199-d800e4fe3313"
TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


def test_a_callers_trace_is_taken_up_and_passed_on() -> None:
    trace = received(f"00-{TRACE}-{PARENT}-01".encode(), b"vendor=1")
    assert trace == TraceContext(TRACE, PARENT, True, "vendor=1")
    told = dict(headers(trace, REQUEST, 2))
    assert told == {
        "traceparent": f"00-{TRACE}-{span_id(REQUEST, 2)}-01",
        "tracestate": "vendor=1",
    }


def test_flags_and_versions_of_the_future_are_understood() -> None:
    assert received(f"00-{TRACE}-{PARENT}-00".encode(), None) == TraceContext(TRACE, PARENT)
    assert received(f"01-{TRACE}-{PARENT}-03-more".encode(), None) == TraceContext(
        TRACE, PARENT, True
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "00",
        f"00-{TRACE.upper()}-{PARENT}-01",
        f"00-{TRACE}-{PARENT[1:]}-01",
        f"ff-{TRACE}-{PARENT}-01",
        f"00-{'0' * 32}-{PARENT}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE}-{PARENT}-zz",
    ],
)
def test_what_is_no_trace_is_none(text: str) -> None:
    assert received(text.encode(), None) is None


@pytest.mark.parametrize("state", [b"x" * 513, b"a=\x00", "a=é".encode("latin-1")])
def test_a_state_that_cannot_be_passed_on_is_dropped(state: bytes) -> None:
    trace = received(f"00-{TRACE}-{PARENT}-01".encode(), state)
    assert trace is not None
    assert trace.state == ""


def test_a_trace_that_begins_here_bears_the_requests_id() -> None:
    assert begun(REQUEST, 1.0) == TraceContext(REQUEST.replace("-", ""), sampled=True)
    assert not begun(REQUEST, 0.0).sampled
    sampled = sum(begun(f"{REQUEST[:-12]}{at * 2**36:012x}", 0.25).sampled for at in range(4096))
    assert sampled == 1024


def test_each_span_has_an_id_of_its_own() -> None:
    assert len({span_id(REQUEST, number) for number in range(100)}) == 100
