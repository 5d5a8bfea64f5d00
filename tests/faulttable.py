"""What callers of a gateway see of each fault of a provider, as a table.

Every fault of the chaos upstream is met streamed and not, with a fallback and without, all at the
same time in one gateway. `python tests/faulttable.py` prints what was measured; with `--write` the
part of it that is the same each time goes into docs/chaos.md.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import httpx

from callgate.chaos.answer import SENTENCE
from callgate.chaos.faults import FAULTS
from callgate.chaos.server import Chaos, running_chaos
from gateway import Gateway, serving
from patience import PATIENCE

PAGE = Path(__file__).parents[1] / "docs" / "chaos.md"
MARKS = ("<!-- faults: begin -->\n", "<!-- faults: end -->\n")
BUDGET = 6.0
"""Seconds within which every one has its answer: waits, timeouts and retries together."""

TOLD = (*FAULTS, "200-error-12", "prefill-refused after cut-mid-answer")
_SHORT = {"connect": 1, "headers": 0.7, "first_token": 0.7, "silence": 0.7, "total": 1.5}
_PATIENT = {"connect": 60, "headers": 60, "first_token": 60, "silence": 60}
_AT_ONCE = 20  # few enough that nobody waits for the processor
_SLOW = ("silence", "slow-first-token", "slow-loris")
_CONFIG = """
catalogue = false
[retry]
base = 0.1
[breaker]
calls = 1000
[providers.first]
dialect = "openai"
base_url = "{url}/v1"
[providers.spare]
dialect = "anthropic"
base_url = "{url}/v1"
"""
_ASKED = {"messages": [{"role": "user", "content": "Tell me of the sea."}]}


class Cell(NamedTuple):
    """One fault, met in one way."""

    number: int
    fault: str
    stream: bool
    fallback: bool

    @property
    def faulty(self) -> tuple[str, str]:
        """The faults at the model asked for, and at its fallback."""
        second, _, first = self.fault.partition(" after ")
        return (first, second) if first else (self.fault, "ok")


class Outcome(NamedTuple):
    """What came of it. `gaps` are the seconds between the attempts as the provider saw them."""

    status: int
    error: dict[str, Any] | None
    text: str
    done: bool
    record: dict[str, Any]
    seen: list[tuple[float, str]]
    healthy: bool

    @property
    def wall(self) -> float:
        """Seconds from the request's arrival to the end of the response."""
        return float(self.record["total_us"]) / 1e6

    @property
    def whole(self) -> bool:
        return self.status == 200 and self.error is None and self.done and self.text == SENTENCE

    @property
    def attempts(self) -> list[int]:
        """How many were made at the first target, and at the fallback."""
        at = [one["provider"] for one in self.record["attempts"]]
        return [at.count("first"), *([at.count("spare")] if "spare" in at else [])]

    @property
    def words(self) -> str:
        times = " + ".join(map(str, self.attempts))
        if self.whole:
            told = "the answer"
        else:
            error = self.error or {}
            told = f"{error.get('code')} `{error.get('type')}`"
            told += ", in-band" if self.status == 200 else ""
        ways = [place["way"] for place in self.record.get("splices", ())]
        return f"{told}{''.join(f', by {way}' for way in ways)} ({times})"


def cells() -> list[Cell]:
    """All of the table, row by row."""
    ways = [(fault, stream, fallback) for fault in TOLD for stream, fallback in _COLUMNS]
    return [Cell(number, *way) for number, way in enumerate(ways)]


_COLUMNS = ((True, True), (True, False), (False, True), (False, False))


def measure() -> dict[Cell, Outcome]:
    """Meet every fault in every way."""
    with tempfile.TemporaryDirectory() as name, running_chaos() as chaos:
        folder = Path(name)
        config = _CONFIG.format(url=chaos.url) + "".join(_models())
        (folder / "callgate.toml").write_text(config)
        with serving(folder) as gateway:
            return asyncio.run(_meet(gateway, chaos))


def table(outcomes: dict[Cell, Outcome]) -> str:
    """The part that is the same each time."""
    head = "| fault | streamed, with a fallback | streamed | whole, with a fallback | whole |"
    rows = {
        fault: " | ".join(
            outcome.words for cell, outcome in outcomes.items() if cell.fault == fault
        )
        for fault in TOLD
    }
    lines = [head, "|---|---|---|---|---|", *(f"| `{f}` | {row} |" for f, row in rows.items())]
    return "\n".join(lines) + "\n"


def measured(outcomes: dict[Cell, Outcome]) -> str:
    """All that was seen, a line for each cell."""
    lines = []
    for cell, outcome in outcomes.items():
        way = f"{'streamed' if cell.stream else 'whole'}{', fallback' if cell.fallback else ''}"
        times = [moment for moment, _ in outcome.seen]
        gaps = " ".join(f"{later - earlier:.2f}" for earlier, later in pairwise(times)) or "-"
        lines.append(
            f"{cell.fault:<38} {way:<19} {outcome.words:<56} gaps {gaps:<15} "
            f"{outcome.wall:5.2f} of {BUDGET:g} s, healthy after: {outcome.healthy}"
        )
    return "\n".join(lines)


def written() -> str:
    """What the page says."""
    return PAGE.read_text().partition(MARKS[0])[2].partition(MARKS[1])[0]


def _models() -> Iterator[str]:
    for cell in cells():
        faults = cell.faulty
        given: dict[str, Any] = dict(_PATIENT)
        if faults[0] in _SLOW:
            given |= _SHORT
        if faults[0] == "stall":
            given["silence"] = _SHORT["silence"]
        timeouts = ", ".join(f"{name} = {value}" for name, value in given.items())
        yield f'[models."{cell.number}"]\nprovider = "first"\ncontext_length = 1000\n'
        yield f'upstream_model = "{cell.number}:{faults[0]}"\ntimeouts = {{ {timeouts} }}\n'
        yield f'[models."{cell.number}-healthy"]\nprovider = "first"\n'
        yield f'upstream_model = "{cell.number}-healthy:ok"\n'
        if cell.fallback:
            yield f'[models."{cell.number}-spare"]\nprovider = "spare"\n'
            yield f'upstream_model = "claude-3-5-haiku-{cell.number}:{faults[1]}"\n'


async def _meet(gateway: Gateway, chaos: Chaos) -> dict[Cell, Outcome]:
    limits = httpx.Limits(max_connections=None)
    headers = {"authorization": gateway.key}
    async with httpx.AsyncClient(
        base_url=gateway.url, headers=headers, timeout=PATIENCE, limits=limits
    ) as client:
        every = cells()
        few = asyncio.Semaphore(_AT_ONCE)

        async def met(cell: Cell) -> tuple[str, tuple[Any, ...], bool]:
            async with few:
                return await _ask(client, cell)

        seen = await asyncio.gather(*map(met, every))
    records = {
        record["request_id"]: record
        for line in gateway.run("logs", "--json", "--limit", "1000").stdout.splitlines()
        for record in [json.loads(line)]
    }
    return {
        cell: Outcome(
            *told,
            record=records[request_id],
            seen=[
                (one.time, one.model)
                for one in chaos.requests
                if one.model.split(":")[0] in (str(cell.number), f"claude-3-5-haiku-{cell.number}")
            ],
            healthy=healthy,
        )
        for cell, (request_id, told, healthy) in zip(every, seen, strict=True)
    }


async def _ask(client: httpx.AsyncClient, cell: Cell) -> tuple[str, tuple[Any, ...], bool]:
    body = {"model": str(cell.number), "stream": cell.stream, **_ASKED}
    if cell.fallback:
        body["fallbacks"] = [{"model": f"{cell.number}-spare"}]
    response = await client.post("/v1/chat/completions", json=body)
    error, text, done = _read(response)
    after = {"model": f"{cell.number}-healthy", "stream": cell.stream, **_ASKED}
    healthy = _read(await client.post("/v1/chat/completions", json=after))
    told = (response.status_code, error, text, done)
    return response.headers["x-request-id"], told, healthy == (None, SENTENCE, True)


def _read(response: httpx.Response) -> tuple[dict[str, Any] | None, str, bool]:
    if not response.headers["content-type"].startswith("text/event-stream"):
        body = response.json()
        if "error" in body:
            return body["error"], "", False
        return None, body["choices"][0]["message"]["content"], True
    text, error, done = "", None, False
    for line in filter(None, response.text.split("\n\n")):
        data = line.removeprefix("data: ")
        done = data == "[DONE]"
        event = {} if done else json.loads(data)
        error = event.get("error", error)
        text += "".join(one["delta"].get("content") or "" for one in event.get("choices", ()))
    return error, text, done


if __name__ == "__main__":
    outcomes = measure()
    print(measured(outcomes))
    if "--write" in sys.argv:
        before, _, rest = PAGE.read_text().partition(MARKS[0])
        after = rest.partition(MARKS[1])[2]
        PAGE.write_text(before + MARKS[0] + table(outcomes) + MARKS[1] + after)
