"""The parameters of the list of requests."""

from __future__ import annotations

from typing import Any

import pytest

from callgate.errors import GatewayError
from callgate.store.base import Query
from callgate.web.filters import read_filters

NOW = 1_800_000_000_000
ID = "019b0000-0000-7000-8000-000000000000"


def read(*given: tuple[str, str]) -> Query:
    return read_filters(given, "acme", NOW)


def test_without_parameters_it_is_the_newest_of_the_account() -> None:
    assert read() == Query(account="acme", limit=20)


@pytest.mark.parametrize(
    ("name", "value", "wanted"),
    [
        ("model", "gpt-4.1", {"model": "gpt-4.1"}),
        ("status", "404", {"status": 404}),
        ("status", "5XX", {"status": 5}),
        ("error", "any", {"failed": True}),
        ("error", "rate_limited", {"error": "rate_limited"}),
        ("min_duration", "10s", {"min_us": 10_000_000}),
        ("min_duration", "500ms", {"min_us": 500_000}),
        ("min_cost", "0.50", {"min_cost": 0.5}),
        ("limit", "100", {"limit": 100}),
        ("cursor", ID, {"before": ID}),
        ("since", "15m", {"since": NOW - 900_000}),
        ("since", "999999d", {"since": 0}),
        ("since", "1795411627", {"since": 1_795_411_627_000}),
        ("until", "1795411627852", {"until": 1_795_411_627_852}),
        ("since", "1970-01-02", {"since": 86_400_000}),
        ("since", "1970-01-01T00:00:01Z", {"since": 1000}),
        ("since", "1970-01-01T02:00:01 02:00", {"since": 1000}),  # its + was not encoded
        ("since", "1970-01-02 00:00:01.500", {"since": 86_401_500}),
        ("until", "1960-01-01", {"until": 0}),
    ],
)
def test_each_parameter_is_read(name: str, value: str, wanted: dict[str, Any]) -> None:
    assert read((name, value)) == Query(**{"account": "acme", "limit": 20, **wanted})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("model", "gpt\0"),
        ("limit", "0"), ("limit", "101"), ("limit", "-1"), ("limit", "ten"), ("limit", "²"),
        ("status", "99"), ("status", "0"), ("status", "xx"), ("status", ""),
        ("error", "rate_limit"), ("cursor", "x"), ("since", "soon"), ("since", "1y"),
        ("until", "99999-01-01"), ("since", "9" * 30), ("model", "m" * 257), ("account", "other"),
        ("key", "k"), ("x" * 1000, "y"), ("min_duration", "10"), ("min_duration", "0s"),
        ("min_cost", "-1"), ("min_cost", "nan"), ("min_cost", "0"), ("min_cost", "1e3"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_named(name: str, value: str) -> None:
    with pytest.raises(GatewayError) as told:
        read((name, value))
    error = told.value
    assert error.kind.type == "invalid_field"
    assert error.param == name[:256]
    assert error.errors[0].startswith(f"{name[:256]}: ")
    assert len(error.message) < 500


def test_a_parameter_given_twice_is_refused() -> None:
    with pytest.raises(GatewayError, match="given twice"):
        read(("model", "a"), ("model", "b"))
