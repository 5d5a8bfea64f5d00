"""A capture without the secrets in it."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence

import msgspec

from callgate.core.captured import Captured, Exchange, Piece
from callgate.core.eventstream import resealed
from callgate.core.scrub import scrub, scrub_spread, slices

_HIDDEN = frozenset(
    {"authorization", "proxy-authorization", "cookie", "set-cookie", "x-api-key", "api-key",
     "x-goog-api-key", "x-amz-security-token"}
)  # fmt: skip
"""Headers that are there to carry a credential."""


def scrubbed(captured: Captured, secrets: Sequence[bytes]) -> Captured:
    """The capture with every secret blotted out, these and what has the shape of one.

    Meant for a thread: after each 16 KiB it gives way to the others.
    """
    return msgspec.structs.replace(
        captured,
        path=scrub(captured.path.encode(), secrets).decode(),
        headers=_headers(captured.headers, secrets),
        body=_slowly(captured.body, secrets),
        answer_headers=_headers(captured.answer_headers, secrets),
        pieces=_pieces(captured.pieces, secrets, captured.answer_headers),
        exchanges=[_exchange(one, secrets) for one in captured.exchanges],
        models=[scrub(one, secrets) for one in captured.models],
        settings=scrub(captured.settings, secrets),
        record=_slowly(captured.record, secrets),
    )


def _exchange(exchange: Exchange, secrets: Sequence[bytes]) -> Exchange:
    answer = list(exchange.answer_headers.items())
    error = exchange.error
    if error is not None:
        error = msgspec.json.decode(scrub(msgspec.json.encode(error), secrets), type=type(error))
    return msgspec.structs.replace(
        exchange,
        url=scrub(exchange.url.encode(), secrets).decode(),
        headers=_headers(exchange.headers, secrets),
        body=_slowly(exchange.body, secrets),
        answer_headers=dict(_headers(answer, secrets)),
        pieces=_pieces(exchange.pieces, secrets, answer),
        error=error,
    )


def _headers(headers: Iterable[tuple[str, str]], secrets: Sequence[bytes]) -> list[tuple[str, str]]:
    return [
        (name, scrub(value.encode("utf-8", "replace"), secrets).decode("utf-8", "replace"))
        for name, value in headers
        if name.lower() not in _HIDDEN
    ]


def _pieces(
    pieces: Sequence[Piece], secrets: Sequence[bytes], headers: Iterable[tuple[str, str]]
) -> list[Piece]:
    """Scrubbed as a whole, for a secret may lie across two pieces; then cut as before."""
    kind = next((value for name, value in headers if name.lower() == "content-type"), "")
    data = _slowly(b"".join([piece.data for piece in pieces]), secrets)
    if "stream" in kind or "ndjson" in kind:
        data = scrub_spread(data, secrets)
    if "eventstream" in kind:
        data = resealed(data)
    cut = []
    at = 0
    for piece in pieces:
        cut.append(Piece(piece.at_us, data[at : at + len(piece.data)]))
        at += len(piece.data)
    return cut


def _slowly(data: bytes, secrets: Sequence[bytes]) -> bytes:
    parts = []
    for part in slices(data, secrets):
        parts.append(part)
        time.sleep(0)
    return parts[0] if len(parts) == 1 else b"".join(parts)
