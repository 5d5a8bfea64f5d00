"""Models, keys and calls for tests of what is reserved and settled."""

from __future__ import annotations

import time
from typing import Any

from callgate.core.allowance import Allowance, Rule
from callgate.core.http import Origin
from callgate.core.limits import Draw
from callgate.core.models import Deployment, Model, Vendor
from callgate.core.price import Price
from callgate.core.secret import Secret
from callgate.core.validate import parse_chat
from callgate.engine.call import Call
from callgate.engine.metering import Metering
from callgate.store.base import Key
from callgate.store.counters.memory import MemoryCounters

DEPLOYMENT = Deployment(
    id="p/m",
    provider="p",
    vendor=Vendor(name="p", dialect="openai"),
    upstream_model="m",
    origin=Origin("http", "localhost", 1),
    path="",
    secret=Secret(""),
)
TOKENS = Allowance(tokens_per_minute=300)
PRICE = Price(input=1.0, output=2.0)
PROMPT = b'[{"role": "user", "content": "Hi"}]'
ASKED = parse_chat(b'{"model": "m", "max_tokens": 100, "messages": %s}' % PROMPT)
ESTIMATE = 100 + len(PROMPT) // 4
NOW = 1_800_000_000.0


class Clock:
    """Stands at when the last call was made, unless it is set."""

    def __init__(self) -> None:
        self.at = NOW

    def __call__(self) -> float:
        return self.at


CLOCK = Clock()


def model(name: str = "m", **changes: Any) -> Model:
    return Model(name=name, deployments=(DEPLOYMENT,), **changes)


def key(**changes: Any) -> Key:
    fields = {"id": "k", "digest": b"", "hint": "", "name": "k", "account": "acme", "created": 0}
    return Key(**{**fields, "region": "us", **changes})


def call(caller: Key, arrived: float | None = None) -> Call:
    CLOCK.at = time.time() if arrived is None else arrived
    made = Call("id", CLOCK.at, "POST", "/")
    made.key = caller
    return made


def told(this: Call) -> tuple[int, int, float]:
    assert this.token_quota is not None
    return this.token_quota.limit, this.token_quota.remaining, this.token_quota.reset


def metering(counters: MemoryCounters, *models: Model, **accounts: Allowance) -> Metering:
    return Metering(counters, accounts, models, lambda _target: PRICE, warn_at=0.8)


async def used(counters: MemoryCounters, rule: Rule, begins: int = 0) -> int:
    draw = Draw(rule.name, 2**40, 0, rule.period, begins)
    return (await counters.draw("acme", [draw], time.time())).levels[0].used
