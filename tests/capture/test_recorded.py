"""What was captured, through the gateway once more: the same bytes but for ids and times."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from callgate.capture import files
from callgate.core.captured import Captured, Piece
from callgate.core.record import Record
from callgate.replay.rerun import ReplayError
from callgate.replay.verdict import replayed
from gateway import Gateway
from recorded import captures_in, differing


def test_every_captured_request_replays_to_the_same_bytes(
    capturing: Gateway, captures: list[Path]
) -> None:
    told = capturing.differing()
    assert not told, f"{len(told)} of {len(captures)}: {list(told.items())[:5]}"
    records = [msgspec.json.decode(files.read(path).record, type=Record) for path in captures]
    assert {one.status for one in records} >= {200, 400, 404, 413, 429, 502, 503, 504}
    assert {one.error for one in records} >= {"rate_limited", "budget_exhausted"}
    assert capturing.replayed >= set(captures)


def test_a_replay_that_comes_out_otherwise_fails_the_run(
    captures: list[Path], tmp_path: Path
) -> None:
    captured = _find(captures, "plain-ok", stream=False)
    exchange = captured.exchanges[0]
    exchange.pieces = [Piece(0, exchange.pieces[0].data.replace(b"Hello", b"Howdy"))]
    files.write(tmp_path, captured)
    (told,) = differing(captures_in(tmp_path)).values()
    assert told == ["text: recorded Hello from the provider., now Howdy from the provider."]


def test_a_request_that_was_hedged_is_hedged_again(captures: list[Path]) -> None:
    for stream in (False, True):
        again, told = replayed(_find(captures, "twofold", stream=stream, tries=2))
        assert told == []
        assert again.record is not None
        assert again.record.notes[0].startswith("hedged: plain/test-lagging took longer than")
        assert {one.decision for one in again.record.attempts} == {"lost the race", "done"}


def test_a_changed_answer_of_the_provider_is_told(captures: list[Path]) -> None:
    captured = _find(captures, "plain-ok", stream=False)
    exchange = captured.exchanges[0]
    data = exchange.pieces[0].data.replace(b"Hello", b"Howdy")
    exchange.pieces = [Piece(0, data)]
    assert replayed(captured)[1] == [
        "text: recorded Hello from the provider., now Howdy from the provider."
    ]


def test_a_request_that_is_sent_otherwise_is_told(captures: list[Path]) -> None:
    captured = _find(captures, "plain-ok", stream=False)
    exchange = captured.exchanges[0]
    exchange.body = exchange.body.replace(b'"max_tokens"', b'"max_tokenz"')
    exchange.headers = [*exchange.headers, ("x-more", "1")]
    (header, body) = replayed(captured)[1]
    assert header == "attempt 1: header x-more: recorded 1, now None"
    assert body.startswith("attempt 1: what is sent differs from byte ")


def test_an_attempt_more_is_told(captures: list[Path]) -> None:
    captured = _find(captures, "openai-500-once", tries=2)
    captured = msgspec.structs.replace(captured, exchanges=captured.exchanges[:1])
    told = replayed(captured)[1]
    assert "attempts: recorded 1, now 2" in told
    assert any(line.startswith("status: recorded 200, now 5") for line in told) or (
        "error: recorded null, now upstream_unreachable" in told
    )


def test_an_incomplete_capture_is_refused(captures: list[Path]) -> None:
    captured = msgspec.structs.replace(_find(captures, "plain-ok", stream=False), cut=True)
    with pytest.raises(ReplayError, match="incomplete"):
        replayed(captured)


def test_a_capture_whose_record_is_nonsense_is_refused(captures: list[Path]) -> None:
    captured = _find(captures, "plain-ok", stream=False)
    for record in (b"", b'{"status":"\xff"}', b'{"x":' + b"[" * 100_000):
        with pytest.raises(ReplayError, match="does not know"):
            replayed(msgspec.structs.replace(captured, record=record))


def _find(
    captures: list[Path], model: str, *, stream: bool | None = None, tries: int = 1
) -> Captured:
    for path in captures:
        captured = files.read(path)
        record = msgspec.json.decode(captured.record, type=Record)
        same = record.model == model and stream in (None, record.stream)
        if same and len(captured.exchanges) == tries:
            return captured
    raise AssertionError(f"no capture of {model}")
