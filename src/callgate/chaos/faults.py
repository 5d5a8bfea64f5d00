"""The faults, as one table: the model's name, what happens, and the coroutine that does it."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple

from callgate.chaos.answer import WRONG_USAGE
from callgate.chaos.dialect import Reply
from callgate.chaos.exchange import JSON, Exchange
from callgate.chaos.framing import to_json

Action = Callable[[Exchange, float], Awaitable[None]]

_NAME = re.compile(r"(.+)-([0-9]{1,9}(?:\.[0-9]{1,6})?)")


class Parameter(NamedTuple):
    """The number that may follow a fault's name: what it counts, its default and its bounds."""

    unit: str
    default: float
    least: float
    most: float


class Fault(NamedTuple):
    """A row of the table."""

    name: str
    tells: str
    act: Action
    parameter: Parameter | None = None

    @property
    def shown(self) -> str:
        """The name as the lists have it, `stall-<words>`."""
        return f"{self.name}-<{self.parameter.unit}>" if self.parameter else self.name


async def _ok(exchange: Exchange, _: float) -> None:
    await exchange.succeed()


async def _limited_for(exchange: Exchange, seconds: float) -> None:
    await exchange.fail("rate_limited", [("retry-after", f"{seconds:g}")])


async def _limited(exchange: Exchange, _: float) -> None:
    await exchange.fail("rate_limited")


async def _failing_once(exchange: Exchange, _: float) -> None:
    if exchange.count:
        await exchange.succeed()
    else:
        await exchange.fail("server_error")


async def _unavailable(exchange: Exchange, _: float) -> None:
    await exchange.fail("unavailable")


async def _flapping(exchange: Exchange, seconds: float) -> None:
    if int(exchange.age / seconds) % 2:
        await exchange.succeed()
    else:
        await exchange.fail("unavailable")


async def _reset(exchange: Exchange, _: float) -> None:
    await exchange.reset()


async def _silent(exchange: Exchange, _: float) -> None:
    await exchange.stay_silent()


async def _slow_first(exchange: Exchange, milliseconds: float) -> None:
    if not exchange.stream:
        await exchange.wait(milliseconds / 1000)
        await exchange.succeed()
        return
    exchange.begin()
    opening = exchange.beginning(0)
    await exchange.send(opening)
    await exchange.wait(milliseconds / 1000)
    await exchange.send(exchange.events(exchange.answer)[len(opening) :])
    await exchange.end()


async def _cut(exchange: Exchange, words: float) -> None:
    await exchange.part(int(words))
    exchange.close()


async def _reset_midway(exchange: Exchange, words: float) -> None:
    await exchange.part(int(words))
    await exchange.reset(settle=True)


async def _cut_in_order(exchange: Exchange, words: float) -> None:
    if exchange.stream:
        await exchange.part(int(words))
    else:
        body = to_json(exchange.dialect.whole(exchange.answer))
        exchange.begin(kind=JSON)
        await exchange.send([body[: len(body) // 2]])
    await exchange.end()


async def _stall(exchange: Exchange, words: float) -> None:
    await exchange.part(int(words))
    await exchange.stay_silent()


async def _malformed(exchange: Exchange, words: float) -> None:
    garbage = exchange.dialect.garbage()
    if exchange.stream:
        events = exchange.events(exchange.answer)
        at = len(exchange.beginning(int(words)))
        exchange.begin()
        await exchange.send([*events[:at], garbage, *events[at:]])
        await exchange.end()
    else:
        body = to_json(exchange.dialect.whole(exchange.answer))
        broken = body[: len(body) // 2]
        exchange.begin_whole(len(broken))
        await exchange.write(broken)


async def _unmarked(exchange: Exchange, _: float) -> None:
    if exchange.stream:
        exchange.begin()
        await exchange.send(exchange.events(exchange.answer, mark=False))
        await exchange.end()
    else:
        await exchange.succeed()


async def _unmarked_open(exchange: Exchange, _: float) -> None:
    if not exchange.stream:
        await exchange.succeed()
        return
    exchange.begin()
    await exchange.send(exchange.events(exchange.answer, mark=False))
    await exchange.stay_silent()


async def _too_long(exchange: Exchange, _: float) -> None:
    await exchange.fail("context")


async def _filtered(exchange: Exchange, _: float) -> None:
    refusal = exchange.dialect.filtered(exchange.answer)
    if isinstance(refusal, Reply):
        await exchange.reply(refusal)
        return
    exchange.begin()
    await exchange.send(refusal)
    await exchange.end()


async def _prefill_refused(exchange: Exchange, _: float) -> None:
    if exchange.ask.by_assistant:
        await exchange.fail("prefill")
    else:
        await exchange.succeed()


async def _wrong_usage(exchange: Exchange, _: float) -> None:
    await exchange.succeed(exchange.answer._replace(usage=WRONG_USAGE))


async def _error_as_success(exchange: Exchange, words: float) -> None:
    if exchange.stream:
        exchange.begin()
        said = exchange.beginning(int(words)) if words else []
        await exchange.send([*said, exchange.dialect.failing()])
        await exchange.end()
    else:
        row = exchange.dialect.failures["server_error"]
        await exchange.reply(exchange.dialect.fail(row)._replace(status=200))


async def _flood(exchange: Exchange, headers: float) -> None:
    flood = ((f"x-flood-{number}", "water " * 15) for number in range(int(headers)))
    await exchange.succeed(headers=flood)


async def _drip(exchange: Exchange, milliseconds: float) -> None:
    if exchange.stream:
        exchange.begin()
        drops = b"".join(exchange.events(exchange.answer))
    else:
        drops = to_json(exchange.dialect.whole(exchange.answer))
        exchange.begin_whole(len(drops))
    for drop in drops:
        data = bytes((drop,))
        if exchange.stream:
            await exchange.send([data])
        else:
            await exchange.write(data)
        await exchange.wait(milliseconds / 1000)
    if exchange.stream:
        await exchange.end()


_WORDS = Parameter("words", 12, 0, 1000)
_NO_WORDS = _WORDS._replace(default=0)

_ROWS = (
    Fault("ok", "A sound answer.", _ok),
    Fault(
        "429-retry-after",
        "429 with the header Retry-After, in seconds.",
        _limited_for,
        Parameter("seconds", 1, 0, 86_400),
    ),
    Fault("429", "429 without that header.", _limited),
    Fault(
        "500-once",
        "500 to a caller's first request for this model, a sound answer to every later one.",
        _failing_once,
    ),
    Fault("503-always", "503.", _unavailable),
    Fault(
        "flapping",
        "503 for so many seconds from the first request for this model, then sound answers for as "
        "many, in turns.",
        _flapping,
        Parameter("seconds", 5, 0.05, 86_400),
    ),
    Fault("reset-before-headers", "The connection is reset once the request is read.", _reset),
    Fault("silence", "The request is read and never answered.", _silent),
    Fault(
        "slow-first-token",
        "A sound answer, its first word after so many milliseconds.",
        _slow_first,
        Parameter("ms", 3000, 0, 3_600_000),
    ),
    Fault(
        "cut-mid-answer",
        "The connection closes after so many words (half the body), short of the length announced.",
        _cut,
        _WORDS,
    ),
    Fault(
        "cut-with-terminator",
        "The body ends in good order after so many words (half of it), the answer does not.",
        _cut_in_order,
        _WORDS,
    ),
    Fault(
        "reset-mid-answer",
        "The connection is reset after so many words (half the body).",
        _reset_midway,
        _WORDS,
    ),
    Fault("stall", "Silence after so many words (half the body).", _stall, _WORDS),
    Fault(
        "malformed-event",
        "One event that makes no sense after so many words of a sound stream (a body that is not "
        "JSON).",
        _malformed,
        _WORDS,
    ),
    Fault("no-done", "All of the answer but the mark that it is over.", _unmarked),
    Fault("no-done-open", "The same, and the stream is not closed.", _unmarked_open),
    Fault("context-too-long", "The refusal of a prompt that is too long.", _too_long),
    Fault("content-filter", "The refusal of a content filter.", _filtered),
    Fault(
        "prefill-refused",
        "400 where the last message is the assistant's, else a sound answer.",
        _prefill_refused,
    ),
    Fault("wrong-usage", "A sound answer whose token counts contradict it.", _wrong_usage),
    Fault(
        "200-error",
        "Status 200 with an error in it (as an event after so many words).",
        _error_as_success,
        _NO_WORDS,
    ),
    Fault(
        "header-flood",
        "A sound answer under so many headers of 100 bytes.",
        _flood,
        Parameter("headers", 10_000, 1, 100_000),
    ),
    Fault(
        "slow-loris",
        "A sound answer, a byte every so many milliseconds.",
        _drip,
        Parameter("ms", 50, 0, 60_000),
    ),
)

FAULTS: Mapping[str, Fault] = MappingProxyType({row.name: row for row in _ROWS})


def found(model: str) -> tuple[Fault, float] | None:
    """The fault that a model's name asks for, and its parameter; None where there is none.

    What stands before the last colon is not looked at: `claude-sonnet-4-5:stall` is `stall`.
    """
    name = model.rpartition(":")[2]
    if name in FAULTS:
        fault = FAULTS[name]
        return fault, fault.parameter.default if fault.parameter else 0.0
    match = _NAME.fullmatch(name)
    row = FAULTS.get(match[1]) if match else None
    if match is None or row is None or row.parameter is None:
        return None
    value = float(match[2])
    if not row.parameter.least <= value <= row.parameter.most:
        return None
    return row, value
