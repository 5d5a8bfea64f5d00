"""Recorded traffic of real providers, through the gateway's door, against independent readers."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Iterable
from contextlib import closing
from typing import Any

import msgspec
import pytest

from callgate.core.repair.repair import is_json
from callgate.store.journal.unshipped import scan
from callgate.store.opening import open_store
from gateway import Gateway

from .asking import Json, plain, request_of
from .compare import record_differences, reply_differences
from .door import Reply, ask_all, read
from .outcome import failed
from .records import BROKEN, LANES, WAYS, WHOLE, Lane, Recording, lane_of, names_of
from .server import Replay
from .table import NOTES, ROWS, Row

CONNECTIONS = 32
SHOWN = 20

EXPLAINED: dict[str, str] = {}
"""Recordings that do not come out as recorded, and why that is right."""

OTHERS: dict[str, str] = {
    "chat.v1": "an interface that the gateway does not speak, so its answers must be failures",
    "invoke": "failures alone, which are shaped as those of converse",
    "invoke-with-response-stream": "failures alone, which are shaped as those of converse",
}
"""Endpoints that no adapter asks."""


class Replayed:
    """One request and what came of it; `refusal` is why the recorded request was not let in."""

    def __init__(self, record: Recording, name: str) -> None:
        self.record = record
        self.name = name
        self.request: Json = request_of(record, name)
        self.reply: Reply | None = None
        self.refusal = ""

    def refused(self) -> str:
        """Why the gateway refused the request itself; empty where the provider was asked."""
        assert self.reply is not None
        if self.reply.status not in (400, 413):
            return ""
        error = json.loads(self.reply.body)["error"]
        return "" if error["metadata"]["attempts"] else str(error["message"])

    def out_of_form(self, lane: Lane) -> str:
        """What is wrong where a recorded answer breaks the form that was asked for.

        The gateway gives no such answer: it mends it, or asks again.
        """
        form = self.request.get("response_format") or {}
        promised = (form.get("json_schema") or {}).get("strict") or form.get(
            "type"
        ) == "json_object"
        if not promised or self.record["response"]["status"] != 200:
            return ""
        choices = lane.read(self.record).choices.values()
        broken = any(
            one.finish == "stop" and one.text and not one.calls and not is_json(one.text)
            for one in choices
        )
        return "the recorded answer is not the JSON that was promised" if broken else ""

    @property
    def wants_usage(self) -> bool:
        options = self.request.get("stream_options") or {}
        return not self.request.get("stream") or bool(options.get("include_usage"))

    @property
    def way(self) -> str:
        return WAYS[_way(self.name)] if self.record["stream"] else "whole"


@pytest.fixture
async def replayed(
    recordings: list[Recording],
    gateway: Gateway,
    replay: Replay,
    record_property: Callable[[str, object], None],
) -> Callable[[Lane, Collection[str]], Awaitable[str]]:
    """Replays a lane's recordings in these ways; gives what came out otherwise than recorded."""

    async def run_all(lane: Lane, ways: Collection[str]) -> str:
        runs = [
            Replayed(record, name)
            for record in recordings
            if lane_of(record) is lane
            for name in names_of(record)
            if _way(name) in ways
        ]
        if not runs:
            pytest.skip(f"no such recordings of {lane.provider}")
        await _ask(gateway, runs)
        again = [run for run in runs if run.refused() or run.out_of_form(lane)]
        for run in again:
            run.refusal = run.refused() or run.out_of_form(lane)
            run.request = plain(run.record, run.name)
        await _ask(gateway, again)
        kept = _records(gateway, [run.reply.request_id for run in runs if run.reply])
        wrong = {run.name: told for run in runs if (told := _differences(run, lane, kept))}
        rows: list[Row] = [
            (lane.dialect, lane.provider, run.way, run.record["tags"], run.name not in wrong)
            for run in runs
        ]
        record_property(ROWS, json.dumps(rows))
        record_property(NOTES, json.dumps(_notes(runs, wrong)))
        assert not replay.refused
        assert "Traceback" not in gateway.log, gateway.log[-2000:]
        unexplained = {name: told for name, told in wrong.items() if _id(name) not in EXPLAINED}
        return _summary(unexplained, len(runs)) if unexplained else ""

    return run_all


@pytest.mark.parametrize("provider", LANES)
async def test_what_was_recorded_comes_out_of_the_door(
    provider: str, replayed: Callable[[Lane, Collection[str]], Awaitable[str]]
) -> None:
    """Text, reasoning, tool calls, finish reason and usage, or the class of the failure."""
    differences = await replayed(LANES[provider], WHOLE)
    assert not differences, differences


@pytest.mark.parametrize("provider", LANES)
async def test_a_stream_that_breaks_off_is_never_shown_as_finished(
    provider: str, replayed: Callable[[Lane, Collection[str]], Awaitable[str]]
) -> None:
    differences = await replayed(LANES[provider], BROKEN)
    assert not differences, differences


async def _ask(gateway: Gateway, runs: list[Replayed]) -> None:
    if runs:
        requests = [run.request for run in runs]
        try:
            replies = await ask_all(gateway.url, gateway.key, requests, CONNECTIONS)
        except ExceptionGroup as errors:
            said = f"{errors.exceptions[0]!r}; the gateway said: {gateway.log[-2000:]}"
            raise AssertionError(said) from None
        for run, reply in zip(runs, replies, strict=True):
            run.reply = reply


def _differences(run: Replayed, lane: Lane, kept: dict[str, Json]) -> list[str]:
    reply = run.reply
    assert reply is not None
    try:
        expected = lane.read(run.record)
        if _way(run.name) in BROKEN:
            expected = failed("upstream_cut|bad_upstream_reply", expected.choices)
    except (AssertionError, AttributeError, KeyError, TypeError, ValueError) as error:
        return [f"the recording cannot be read: {type(error).__name__} {error}"]
    try:
        told = read(reply)
    except (AssertionError, AttributeError, KeyError, TypeError, ValueError) as error:
        return [f"{type(error).__name__} {error}: {reply.body[-300:]!r}"]
    if reply.request_id not in kept:
        return ["not on record"]
    upstream_id = run.record["response"]["headers"].get(lane.request_id)
    return [
        *reply_differences(expected, reply, told, usage=run.wants_usage),
        *record_differences(expected, reply, told, kept[reply.request_id], upstream_id),
    ]


def _records(gateway: Gateway, ids: Iterable[str]) -> dict[str, Json]:
    """The records of these requests. What is shipped meanwhile is in the store by then."""
    folder = gateway.folder / "callgate-data"
    found: dict[str, Any] = {one.request_id: one for one in scan(folder / "journal")}
    with closing(open_store(f"sqlite:///{folder / 'callgate.db'}")) as store:
        records = {id_: found.get(id_) or store.requests.get(id_) for id_ in ids}
    return {
        id_: json.loads(msgspec.json.encode(record)) for id_, record in records.items() if record
    }


def _id(name: str) -> str:
    return name.partition("~")[0]


def _way(name: str) -> str:
    return name.removeprefix(_id(name))


def _notes(runs: list[Replayed], wrong: dict[str, list[str]]) -> list[str]:
    explained = sorted({_id(name) for name in wrong} & EXPLAINED.keys())
    refused = {run.record["id"]: run.refusal for run in runs if run.refusal and "~" not in run.name}
    others = Counter(run.record["endpoint"] for run in runs)
    return [
        *(
            f"{others[name]} replays of {name}: {why}"
            for name, why in OTHERS.items()
            if others[name]
        ),
        *(f"explained: {id_}: {EXPLAINED[id_]}" for id_ in explained),
        *(f"asked in other words: {id_}: {why[:150]}" for id_, why in refused.items()),
    ]


def _summary(wrong: dict[str, list[str]], count: int) -> str:
    shown = [f"{name}: {'; '.join(told)}" for name, told in list(wrong.items())[:SHOWN]]
    return "\n".join([f"{len(wrong)} of {count} replays differ:", *shown])
