"""The trace that a request belongs to: W3C Trace Context, https://www.w3.org/TR/trace-context/.

The ids of our own spans are derived from the request's id, so that nothing has to be remembered:
whoever has the record has the spans, and without a caller's trace the id of the trace is the
request's own.
"""

from __future__ import annotations

import re
from hashlib import blake2b

from msgspec import Struct

_TRACEPARENT = re.compile(rb"[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?")
_MAX_STATE = 512
_SAMPLED = 1
_NO_TRACE, _NO_SPAN = "0" * 32, "0" * 16


class TraceContext(Struct, frozen=True, omit_defaults=True):
    """Trace id, the span that the caller was in (none where the trace begins here), and whether
    spans are recorded. `state` is the `tracestate` of other vendors, passed on as it came.
    """

    id: str
    parent: str | None = None
    sampled: bool = False
    state: str = ""


def received(traceparent: bytes, tracestate: bytes | None) -> TraceContext | None:
    """The caller's trace, by its headers; None where there is none that is sound."""
    match = _TRACEPARENT.fullmatch(traceparent)
    if match is None or traceparent.startswith(b"ff"):
        return None
    trace, parent = match[1].decode(), match[2].decode()
    if trace == _NO_TRACE or parent == _NO_SPAN:
        return None
    state = (tracestate or b"")[: _MAX_STATE + 1].decode("latin-1")
    usable = len(state) <= _MAX_STATE and state.isascii() and state.isprintable()
    sampled = bool(int(match[3], 16) & _SAMPLED)
    return TraceContext(trace, parent, sampled, state if usable else "")


def begun(request_id: str, share: float) -> TraceContext:
    """A trace that begins with this request; `share` of all are recorded."""
    trace = request_id.replace("-", "")
    # The last digits of the id are random.
    return TraceContext(trace, sampled=int(trace[-12:], 16) < share * 16**12)


def span_id(request_id: str, number: int) -> str:
    """The id of a span: 0 is the request itself, 1 its first attempt."""
    return blake2b(f"{request_id}/{number}".encode(), digest_size=8).hexdigest()


def headers(context: TraceContext, request_id: str, number: int) -> tuple[tuple[str, str], ...]:
    """What an attempt tells its provider."""
    flags = "01" if context.sampled else "00"
    parent = ("traceparent", f"00-{context.id}-{span_id(request_id, number)}-{flags}")
    return (parent, ("tracestate", context.state)) if context.state else (parent,)
