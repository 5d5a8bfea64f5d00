"""What a request's headers say besides its key: the caller, the trace, the body's media type."""

from __future__ import annotations

from typing import Final

from callgate.core.redact import redact
from callgate.core.trace import TraceContext, begun, received
from callgate.engine.call import Call
from callgate.errors import GatewayError

_MAX_NOTED: Final = 256


def note_client(call: Call, headers: dict[bytes, bytes]) -> None:
    """Note for the record what the headers say of the caller, at bounded length."""
    agent = headers.get(b"user-agent")
    if agent is not None:
        call.user_agent = _noted(agent)
    own_id = headers.get(b"x-client-request-id")
    if own_id is not None:
        call.client_request_id = _noted(own_id)


def trace_of(call: Call, headers: dict[bytes, bytes], share: float) -> TraceContext:
    """The trace that the caller names, or one that begins here."""
    parent = headers.get(b"traceparent")
    named = None if parent is None else received(parent, headers.get(b"tracestate"))
    return named or begun(call.request_id, share)


def check_media_type(headers: dict[bytes, bytes]) -> None:
    """Raise GatewayError if the body is declared to be anything but plain JSON."""
    coding = headers.get(b"content-encoding")
    if coding is not None and coding.lower() != b"identity":
        raise GatewayError(
            "unsupported_media_type",
            f"Content-Encoding {coding[:100].decode('latin-1')!r} is not accepted",
            cause="The body is compressed.",
            fix="Send the body as plain JSON, without `Content-Encoding`.",
        )
    declared = headers.get(b"content-type")
    if declared is None or declared == b"application/json":
        return
    kind = declared.partition(b";")[0].strip().lower()
    if kind != b"application/json" and not kind.endswith(b"+json"):
        raise GatewayError(
            "unsupported_media_type",
            f"Content-Type {kind[:100].decode('latin-1')!r} is not JSON",
        )


def _noted(value: bytes) -> str:
    """A header's value for the record, without any key that was put there by mistake."""
    text = value[:_MAX_NOTED].decode("latin-1")
    return redact(text) if "cg_" in text else text
