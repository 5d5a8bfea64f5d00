"""The health of all deployments: what is told where none may be asked."""

from __future__ import annotations

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
