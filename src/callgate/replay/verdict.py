"""Whether a replay came out as recorded, but for ids and times."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import msgspec

from callgate.capture import files
from callgate.capture.scrubbing import scrubbed
from callgate.core.captured import Captured, Exchange, Piece
from callgate.core.http import HttpRequest
from callgate.replay.rerun import Rerun, rerun
from callgate.support.outcome import Outcome, differences

_TIMES = re.compile(rb'"(response_time|duration_ms)":[0-9.eE+-]+')
_PASSING_HEADERS = frozenset(
    {
        "content-length", "retry-after", "server-timing", "x-ratelimit-reset",
        "x-ratelimit-reset-tokens", "x-request-id",
    }
)  # fmt: skip
"""Headers of a response that tell of ids and times, or depend on how long those are."""
_OWN_HEADERS = frozenset({"user-agent", "x-amz-date", "date"})
"""Headers of a request to a provider that tell of the gateway's version, or the time."""
_SHOWN = 200


def replayed(captured: Captured) -> tuple[Rerun, list[str]]:
    """The replay of a capture and what came out otherwise, a line each. Raises ReplayError."""
    again = rerun(captured)
    return again, list(_differences(captured, again))


def differences_in(path: Path | str) -> list[str]:
    """What a replay of the capture in this file gives otherwise than recorded; empty: nothing.

    Raises CaptureError and ReplayError.
    """
    return replayed(files.read(Path(path)))[1]


def _differences(captured: Captured, again: Rerun) -> Iterator[str]:
    before = normalised(captured.answer, captured.request_id, int(captured.arrived))
    record = again.record
    after = again.answer
    if record is not None:
        after = normalised(_safe(captured, again), record.request_id, record.time // 1000)
    if captured.status != again.status:
        yield f"status: recorded {captured.status or 'none'}, now {again.status or 'none'}"
    # Whoever left may not have been sent all that the gateway had.
    same = before == after or (not captured.ended and after.startswith(before))
    if not same:
        told = [
            f"{one.name}: recorded {one.before}, now {one.after}"
            for one in differences(
                Outcome.of(captured.status, before), Outcome.of(again.status, after)
            )
        ]
        yield from told or [_first_difference("response", before, after)]
    yield from _of_headers("response", captured.answer_headers, again.headers, _PASSING_HEADERS)
    yield from _of_attempts(captured, again)


def normalised(answer: bytes, request_id: str, arrived: int) -> bytes:
    """A response's body without what tells of its id and time."""
    answer = answer.replace(request_id.encode(), b"<request id>")
    answer = _TIMES.sub(rb'"\1":0', answer)
    # A provider's own time is recorded; the gateway's own, where it has none, passes.
    return answer.replace(b'"created":%d,' % arrived, b'"created":0,')


def _safe(captured: Captured, again: Rerun) -> bytes:
    """The response scrubbed as the recorded one was."""
    pieces = [Piece(0, again.answer)]
    return scrubbed(
        msgspec.structs.replace(
            captured, pieces=pieces, answer_headers=list(again.headers), exchanges=[]
        ),
        (),
    ).answer


def _of_attempts(captured: Captured, again: Rerun) -> Iterator[str]:
    recorded, sent = captured.exchanges, again.sent
    if len(recorded) != len(sent):
        yield f"attempts: recorded {len(recorded)}, now {len(sent)}"
    for number, (before, after) in enumerate(zip(recorded, sent, strict=False), 1):
        yield from _of_attempt(f"attempt {number}", before, after)


def _of_attempt(what: str, before: Exchange, after: HttpRequest) -> Iterator[str]:
    url = f"{after.origin}{after.path}"
    if before.url != url:
        yield f"{what}: sent to {before.url}, now to {url}"
    yield from _of_headers(what, before.headers, after.headers, _OWN_HEADERS)
    if before.body != after.body:
        yield _first_difference(f"{what}: what is sent", before.body, after.body)


def _of_headers(
    what: str,
    before: list[tuple[str, str]] | tuple[tuple[str, str], ...],
    after: object,
    ignored: frozenset[str],
) -> Iterator[str]:
    old = {name: value for name, value in before if name not in ignored}
    new = {name: value for name, value in after if name not in ignored}  # type: ignore[attr-defined]
    for name in sorted(old.keys() | new.keys()):
        if old.get(name) != new.get(name):
            yield f"{what}: header {name}: recorded {old.get(name)}, now {new.get(name)}"


def _first_difference(what: str, before: bytes, after: bytes) -> str:
    at = next(
        (n for n, (a, b) in enumerate(zip(before, after, strict=False)) if a != b),
        min(len(before), len(after)),
    )
    start = max(0, at - 40)
    old, new = (one[start : start + _SHOWN].decode("utf-8", "replace") for one in (before, after))
    return f"{what} differs from byte {at} on: recorded {old!r}, now {new!r}"
