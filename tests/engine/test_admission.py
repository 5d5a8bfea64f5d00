"""Whether callers are told that a limit was counted by one process alone."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import cast

import pytest

from callgate.core.allowance import Allowance
from callgate.core.directory import Directory
from callgate.core.http import Origin
from callgate.core.limits import Draw
from callgate.core.models import Deployment, Model, Vendor
from callgate.core.quota import Grant, Quota
from callgate.core.record import COUNTED_ALONE
from callgate.core.secret import Secret
from callgate.core.validate import parse_chat
from callgate.engine.admission import Admission
from callgate.engine.call import Call
from callgate.engine.checkers import Checkers
from callgate.engine.metering import Metering
from callgate.errors import GatewayError
from callgate.store.base import Counters, Key
from callgate.store.memory import MemoryCounters

DEPLOYMENT = Deployment(
    id="p/m",
    provider="p",
    vendor=Vendor(name="p", dialect="openai"),
    upstream_model="m",
    origin=Origin("http", "localhost", 1),
    path="",
    secret=Secret(""),
)
MODEL = Model(name="m", deployments=(DEPLOYMENT,))
KEY = Key(id="k", digest=b"", hint="", name="k", account="acme", created=0, region="us")


class Counting:
    """Counts alone where it is told so. What it is not asked for here it does not have."""

    def __init__(self) -> None:
        self.alone = False
        self._counters = MemoryCounters()

    async def reserve(self, account: str, model: str, limit: int, now: float) -> Quota:
        found = await self._counters.reserve(account, model, limit, now)
        return found.replace(exact=not self.alone)

    async def draw(self, account: str, draws: Sequence[Draw], now: float) -> Grant:
        found = await self._counters.draw(account, draws, now)
        return found.replace(exact=not self.alone)


def made(counting: Counting, **accounts: Allowance) -> tuple[Admission, Call]:
    counters = cast("Counters", counting)
    metering = Metering(counters, accounts, [MODEL], lambda _target: None, warn_at=0.8)
    directory = Directory({MODEL.name: MODEL}, {}, region="us", endpoints={})
    call = Call("id", time.time(), "POST", "/")
    call.request, call.key = parse_chat(b'{"model": "m", "prompt": "Hi", "max_tokens": 9}'), KEY
    return Admission(directory, counters, "us", Checkers(), metering), call


@pytest.mark.parametrize("away_when_it_came", [False, True])
@pytest.mark.parametrize("alone", [False, True])
async def test_an_answer_bears_the_header_where_its_limit_was_counted_alone_and_only_then(
    alone: bool, away_when_it_came: bool
) -> None:
    counters = Counting()
    admission, call = made(counters)
    call.degraded, counters.alone = away_when_it_came, alone
    await admission.reserve(call, KEY, MODEL)
    assert call.degraded is alone
    assert (COUNTED_ALONE in call.notes) is alone


async def test_a_fallback_that_the_server_counted_hides_no_refusal_by_a_process_alone() -> None:
    counters = Counting()
    admission, call = made(counters)
    counters.alone = True
    await admission.reserve(call, KEY, MODEL)
    counters.alone = False
    await admission.reserve(call, KEY, MODEL)
    assert call.degraded


async def test_a_limit_on_tokens_that_refuses_alone_is_told_too() -> None:
    counters = Counting()
    admission, call = made(counters, acme=Allowance(tokens_per_minute=1))
    await admission.reserve(call, KEY, MODEL)
    call.degraded, counters.alone = False, True
    with pytest.raises(GatewayError):
        await admission.reserve(call, KEY, MODEL)
    assert call.degraded
