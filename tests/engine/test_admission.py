"""Which models a call may go to, and what callers are told of its limits."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

import msgspec
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
from callgate.engine.candidates import Candidate
from callgate.engine.checkers import Checkers
from callgate.engine.metering import Metering
from callgate.errors import GatewayError
from callgate.store.base import Counters, Key
from callgate.store.counters.memory import MemoryCounters
from metered import CLOCK, NOW

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


@pytest.fixture(autouse=True)
def _frozen(monkeypatch: pytest.MonkeyPatch) -> None:
    """No time passes but where a test says so."""
    monkeypatch.setattr(CLOCK, "at", NOW)
    monkeypatch.setattr("callgate.engine.call.time", CLOCK)


REFUSED = "Rate limit of 0 requests per 60 s for model 'm' is used up"
ASKED = parse_chat(b'{"model": "m", "prompt": "Hi", "max_tokens": 9}')
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


def made(counting: Counting | MemoryCounters, **accounts: Allowance) -> tuple[Admission, Call]:
    counters = cast("Counters", counting)
    metering = Metering(counters, accounts, [MODEL], lambda _target: None, warn_at=0.8)
    directory = Directory({MODEL.name: MODEL}, {}, region="us", endpoints={})
    call = Call("id", time.time(), "POST", "/")
    call.key = KEY
    return Admission(directory, counters, "us", Checkers(), metering), call


@pytest.mark.parametrize("away_when_it_came", [False, True])
@pytest.mark.parametrize("alone", [False, True])
async def test_an_answer_bears_the_header_where_its_limit_was_counted_alone_and_only_then(
    alone: bool, away_when_it_came: bool
) -> None:
    counters = Counting()
    admission, call = made(counters)
    call.degraded, counters.alone = away_when_it_came, alone
    await admission.reserve(call, KEY, MODEL, ASKED)
    assert call.degraded is alone
    assert (COUNTED_ALONE in call.notes) is alone


async def test_a_fallback_that_the_server_counted_hides_no_refusal_by_a_process_alone() -> None:
    counters = Counting()
    admission, call = made(counters)
    counters.alone = True
    await admission.reserve(call, KEY, MODEL, ASKED)
    counters.alone = False
    await admission.reserve(call, KEY, MODEL, ASKED)
    assert call.degraded


async def test_a_limit_on_tokens_that_refuses_alone_is_told_too() -> None:
    counters = Counting()
    admission, call = made(counters, acme=Allowance(tokens_per_minute=1))
    await admission.reserve(call, KEY, MODEL, ASKED)
    call.degraded, counters.alone = False, True
    with pytest.raises(GatewayError):
        await admission.reserve(call, KEY, MODEL, ASKED)
    assert call.degraded


def of(admission: Admission, key: Key, body: bytes) -> list[Candidate]:
    request = parse_chat(body)
    call = Call("id", NOW, "POST", "/")
    return admission.candidates(key, request, admission.choose(call, key, request.body.model))


def entered(**changes: Any) -> Call:
    call = Call("id", CLOCK.at, "POST", "/")
    call.key = msgspec.structs.replace(KEY, **changes)
    return call


async def test_a_fallback_draws_what_it_is_asked_itself() -> None:
    """Its own `max_tokens` here; the first model has no request left."""
    counters = MemoryCounters()
    other = replace(MODEL, name="n", token_limit=10_000)
    metering = Metering(counters, {}, [MODEL, other], lambda _target: None, warn_at=0.8)
    directory = Directory({"m": MODEL, "n": other}, {}, region="us", endpoints={})
    admission = Admission(directory, counters, "us", Checkers(), metering)
    call = entered(limits={"m": 0})
    found = of(
        admission,
        call.key,
        b'{"model": "m", "prompt": "Hi", "max_tokens": 9, "fallbacks": [{"model": "n", '
        b'"max_tokens": 2000}]}',
    )
    assert await admission.enter(call, call.key, found) == found[1:]
    assert (call.model, call.quota) == (other, Quota(True, 30, 29, NOW + 60))
    assert call.token_quota is not None
    assert call.token_quota.remaining == 7999  # one token of prompt
    assert call.notes == [f"'m' was passed over: {REFUSED}"]


async def test_a_window_is_told_of_the_first_model_that_refused() -> None:
    admission, _ = made(MemoryCounters())
    call = entered(limits={"m": 1})
    await admission.reserve(call, call.key, MODEL, ASKED)
    assert call.quota == Quota(True, 1, 0, NOW + 60)
    call = entered(limits={"m": 1, "n": 0})
    CLOCK.at += 15
    for name in ("m", "n"):
        with pytest.raises(GatewayError, match=f"^Rate limit of . requests .* '{name}'") as told:
            await admission.reserve(call, call.key, replace(MODEL, name=name), ASKED)
    assert told.value.retry_after == pytest.approx(60.0, abs=1)
    assert (call.model, call.quota) == (MODEL, Quota(False, 1, 0, NOW + 60))
    with pytest.raises(GatewayError) as told:
        await admission.enter(call, call.key, [Candidate(MODEL, ASKED, "model")])
    assert told.value.retry_after == pytest.approx(45.0, abs=1)
    looking = entered(limits={"m": 3})
    await admission.look(looking, looking.key, MODEL)
    assert looking.quota == Quota(True, 3, 2, NOW + 60)


@pytest.mark.parametrize("tokens", [None, 10**6])
async def test_a_request_that_took_long_to_come_or_to_fall_back_opens_no_window_anew(
    tokens: int | None,
) -> None:
    admission, _ = made(MemoryCounters())
    model = replace(MODEL, token_limit=tokens)
    admission.metering.follow({}, [model])

    async def is_admitted(arrived: float, now: float) -> bool:
        call = entered(limits={"m": 1})
        CLOCK.at, call.arrived = now, arrived
        try:
            await admission.reserve(call, call.key, model, ASKED)
        except GatewayError:
            return False
        return True

    assert await is_admitted(NOW, NOW)
    assert not await is_admitted(NOW - 58, NOW + 1)
    assert not await is_admitted(NOW + 3, NOW + 3)
    assert await is_admitted(NOW, NOW + 60)


@pytest.mark.parametrize("tokens", [None, 10**6])
@pytest.mark.parametrize("step", [-86_400, -90, 90, 86_400])
async def test_calls_that_see_the_clock_being_set_open_no_window_anew(
    tokens: int | None, step: int
) -> None:
    admission, _ = made(MemoryCounters())
    model = replace(MODEL, token_limit=tokens)
    admission.metering.follow({}, [model])

    async def is_admitted(call: Call) -> bool:
        try:
            await admission.reserve(call, call.key, model, ASKED)
        except GatewayError:
            return False
        return True

    before = [entered(limits={"m": 1}) for _ in range(4)]
    assert await is_admitted(before[0])
    CLOCK.at += step
    assert await is_admitted(entered(limits={"m": 1})) is (step > 0), "its minute may be over"
    for call in before[1:]:
        assert not await is_admitted(call)
        assert not await is_admitted(entered(limits={"m": 1}))


def test_a_key_goes_to_no_model_but_its_own_be_it_as_a_fallback() -> None:
    admission, _ = made(Counting())
    admission.directory = Directory(
        {"m": replace(MODEL, fallbacks=("n",)), "n": replace(MODEL, name="n")},
        {},
        region="us",
        endpoints={},
    )
    body = b'{"model": "m", "prompt": "Hi"%s}'
    own = b', "fallbacks": [{"model": "m"}, {"model": "n"}]'
    assert [one.model.name for one in of(admission, KEY, body % b"")] == ["m", "n"]
    only = msgspec.structs.replace(KEY, models=("m",))
    assert [one.model.name for one in of(admission, only, body % b"")] == ["m"]
    with pytest.raises(GatewayError, match=r"^fallbacks\[1\]: This key may not use") as told:
        of(admission, only, body % own)
    assert (told.value.kind.type, told.value.param) == ("model_not_allowed", "fallbacks[1].model")
    with pytest.raises(GatewayError, match=r"^This key may not use model 'm'"):
        of(admission, msgspec.structs.replace(KEY, models=("n",)), body % b"")
    with pytest.raises(GatewayError, match=r"it may use: $"):
        of(admission, msgspec.structs.replace(KEY, models=()), body % b"")
    assert len(of(admission, KEY, body % b', "model_region": "US"')) == 2
    with pytest.raises(GatewayError) as told:
        of(admission, KEY, body % b', "model_region": "eu"')
    assert told.value.kind.type == "model_not_in_region"


def beside(*dialects: str) -> Admission:
    """Where `m` has a server of OpenAI's dialect, and `n` a deployment of each of these."""
    admission, _ = made(Counting())
    deployments = tuple(
        replace(DEPLOYMENT, id=f"{one}/n", vendor=Vendor(name=one, dialect=one)) for one in dialects
    )
    other = replace(MODEL, name="n", deployments=deployments)
    admission.directory = Directory({"m": MODEL, "n": other}, {}, region="us", endpoints={})
    return admission


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ('"seed": 1, "fallbacks": [{"model": "m"}, {"model": "n"}]', "fallbacks[1].seed"),
        ('"fallbacks": [{"model": "n", "temperature": 1.5}]', "fallbacks[0].temperature"),
        ('"strange": 1, "fallbacks": [{"model": "n"}]', "fallbacks[0].strange"),
    ],
)
def test_what_the_provider_of_a_fallback_does_not_take_is_refused_before_anybody_is_asked(
    fields: str, path: str
) -> None:
    body = f'{{"model": "m", "prompt": "Hi", {fields}}}'
    with pytest.raises(GatewayError) as told:
        of(beside("anthropic"), KEY, body.encode())
    assert (told.value.kind.type, told.value.param) == ("unsupported_field", path)
    where = path.partition(".")[0]
    assert told.value.message.startswith(f"{where}: Invalid request")
    assert told.value.fix.startswith(f"Set `{path.partition('.')[2]}` to null in `{where}`, or")


@pytest.mark.parametrize("own", ["", ', "temperature": 0.5'])
def test_what_a_fallback_does_not_take_of_call_items_is_told_by_the_callers_own_places(
    own: str,
) -> None:
    body = """{"model": "m", "fallbacks": [{"model": "n"%s}], "messages": [
        {"role": "user", "content": "x"},
        {"type": "function_call", "call_id": "a", "name": "f", "arguments": "{}"},
        {"type": "function_call", "call_id": "b", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "a", "output": "1"},
        {"type": "function_call_output", "call_id": "b", "output": "2"},
        {"role": "user", "content": [
            {"type": "input_audio", "input_audio": {"data": "AA==", "format": "wav"}}]}]}"""
    with pytest.raises(GatewayError) as told:
        of(beside("anthropic"), KEY, (body % own).encode())
    assert told.value.param is not None
    assert told.value.param.startswith("fallbacks[0].messages[5].content[0]")


TOOL = '"tools": [{"type": "function", "function": {"name": "f", "description": "%s"}}]'


@pytest.mark.parametrize("fields", ['"prompt": "%s"', f'"prompt": "x", {TOOL}'])
def test_what_is_long_is_left_to_who_asks_the_fallback(fields: str) -> None:
    body = f'{{"model": "m", "seed": 1, "fallbacks": [{{"model": "n"}}], {fields}}}'
    with pytest.raises(GatewayError):
        of(beside("anthropic"), KEY, (body % "x").encode())
    assert len(of(beside("anthropic"), KEY, (body % ("x" * 262_145)).encode())) == 2


def test_messages_that_a_fallback_does_not_take_are_not_to_be_set_to_null() -> None:
    body = b"""{"model": "m", "fallbacks": [{"model": "n"}], "messages": [{"role": "user",
        "content": [{"type": "input_audio", "input_audio": {"data": "AA==", "format": "wav"}}]}]}"""
    with pytest.raises(GatewayError) as told:
        of(beside("anthropic"), KEY, body)
    assert told.value.param is not None
    assert told.value.param.startswith("fallbacks[0].messages[0].content[0]")
    assert told.value.fix.startswith("Give `messages` of its own to `fallbacks[0]`, or")


@pytest.mark.parametrize(
    ("dialects", "fields"),
    [
        (["anthropic"], '"seed": 1, "fallbacks": [{"model": "n", "seed": null}]'),
        (["anthropic"], '"strange": 1, "fallbacks": [{"model": "n", "strange": null}]'),
        (["anthropic", "openai"], '"seed": 1, "fallbacks": [{"model": "n"}]'),
        (
            ["cohere"],
            '"response_format": {"type": "json_object"}, "fallbacks": [{"model": "n"}]',
        ),
    ],
)
def test_a_fallback_is_taken_that_can_be_asked(dialects: list[str], fields: str) -> None:
    body = f'{{"model": "m", "prompt": "Hi", {fields}}}'
    assert [one.model.name for one in of(beside(*dialects), KEY, body.encode())] == ["m", "n"]
