"""The health of all deployments: what is told where none may be asked."""

from __future__ import annotations

import pytest

from callgate.core.breaker import BreakerSettings
from callgate.core.http import Origin
from callgate.core.models import Deployment, Model, Vendor
from callgate.core.secret import Secret
from callgate.engine.healthtable import HealthTable
from callgate.errors import GatewayError


def deployment(name: str) -> Deployment:
    return Deployment(
        id=name, provider="p", vendor=Vendor(name="p", dialect="openai"), upstream_model="x",
        origin=Origin("http", "127.0.0.1", 80), path="/v1", secret=Secret(""),
    )  # fmt: skip


PAIR = (deployment("a"), deployment("b"))


def test_an_open_circuit_tells_operators_of_the_failure_that_opened_it() -> None:
    table, one = HealthTable(BreakerSettings(calls=1, pause=10)), deployment("p/x")
    down = GatewayError("provider_unavailable", "p is down", detail="status 503: Overloaded")
    assert table.failed(one, down)
    error = table.all_out(Model(name="m", deployments=(one,)))
    assert error.kind.type == "circuit_open"
    assert error.detail == (
        "p/x, for another 10 s, after provider_unavailable: status 503: Overloaded"
    )
    assert table.why_out("p/x") == "circuit open"


def test_a_pause_that_was_asked_for_is_told_apart_from_an_open_circuit() -> None:
    table, one = HealthTable(BreakerSettings()), deployment("p/x")
    table.failed(one, GatewayError("provider_rate_limited", "Slow down", retry_after=7))
    error = table.all_out(Model(name="m", deployments=(one,)))
    assert error.kind.type == "provider_rate_limited"
    assert error.detail == "p/x, for another 7 s, after provider_rate_limited: Slow down"
    assert table.why_out("p/x") == "it asked for a pause"


def test_the_mistakes_of_callers_are_no_failure_of_a_deployment() -> None:
    table, one = HealthTable(BreakerSettings(calls=1)), deployment("p/x")
    assert not table.failed(one, GatewayError("provider_rejected", "Bad seed"))
    assert table["p/x"].failure == ""


def test_nothing_that_was_said_in_a_private_call_is_told_to_others() -> None:
    table, one = HealthTable(BreakerSettings(calls=1, pause=10)), deployment("p/x")
    down = GatewayError("provider_unavailable", "p is down", detail="status 503: about Anna")
    assert table.failed(one, down, private=True)
    error = table.all_out(Model(name="m", deployments=(one,)))
    assert error.detail == "p/x, for another 10 s, after provider_unavailable"


@pytest.mark.parametrize(("asked", "rests"), [(None, 1), (7, 7), (1e6, 300)])
def test_who_asks_for_a_pause_is_left_alone_so_long_and_no_longer(
    asked: float | None, rests: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 100.0
    monkeypatch.setattr("callgate.engine.healthtable.monotonic", lambda: now)
    table, model = HealthTable(BreakerSettings()), Model(name="m", deployments=PAIR)
    for one in PAIR:
        assert not table.failed(one, GatewayError("provider_rate_limited", "", retry_after=asked))
    assert table["a"].back_in(now) == rests
    table["b"].rest(now, 1000.0)
    assert table.all_out(model).retry_after == rests
    now += rests - 0.5
    assert table.all_out(model).retry_after == 1.0


def test_circuits_that_open_and_close_and_refusals_are_logged_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("callgate.engine.healthtable.monotonic", lambda: 100.0)
    table, one = HealthTable(BreakerSettings(calls=2)), PAIR[0]
    down, refused = (GatewayError(type_, "") for type_ in ("upstream_cut", "provider_refused"))
    assert [table.failed(one, error) for error in (down, refused, refused, down)] == [
        False,
        False,
        False,
        True,
    ]
    assert table["a"].refuses(159.9)
    assert not table["a"].refuses(160.0)
    assert table.all_out(Model(name="m", deployments=(one,))).retry_after == 10.0
    paces = table["a"].pace(stream=True), table["a"].pace(stream=False)
    for _ in range(20):
        table.succeeded(one, 111.0, 0.5, stream=True)
    assert [pace.quantile(1.0) for pace in paces] == [0.5, None]
    assert [record.message for record in caplog.records] == [
        "a provider refuses; others are asked first",
        "circuit opened",
        "circuit closed",
    ]
    assert {record.__dict__["deployment"] for record in caplog.records} == {"a"}
    table.keep({"b"})
    assert not table["a"].refuses(0.0)
    assert table["a"].latency == 0.0
