"""The metrics there are: name, kind, labels and meaning, as one table.

Names follow https://prometheus.io/docs/practices/naming/. Counters and histograms are counted from
the records of requests, so they say what the records say; gauges are what the workers are doing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

KindOf = Literal["counter", "histogram", "gauge"]

SECONDS = (0.001, 0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)
"""Bounds of what a provider takes."""
SMALL_SECONDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.25, 1.0)
"""Bounds of what the gateway takes itself."""


class Family(NamedTuple):
    """One metric. `most`: of a gauge, the highest of the workers counts, not their sum."""

    name: str
    kind: KindOf
    labels: tuple[str, ...]
    help: str
    bounds: tuple[float, ...] = ()
    most: bool = False


_LIMITED = ("account", "scope", "subject")
_TARGET = ("model", "provider")
_ALL = (
    Family(
        "callgate_requests",
        "counter",
        ("model", "provider", "status", "type", "stream"),
        "Requests ended, by the status that was meant (a stream that broke off counts as its "
        "error) and the error's type.",
    ),
    Family(
        "callgate_attempts",
        "counter",
        ("model", "provider", "deployment", "outcome"),
        "Attempts at providers; the outcome is `done` or the type of the error.",
    ),
    Family(
        "callgate_limit_decisions",
        "counter",
        ("model", "decision"),
        "What the limits said of requests: `admitted` or the type of the refusal.",
    ),
    Family(
        "callgate_limits_counted_alone",
        "counter",
        ("model",),
        "Requests whose limits a worker counted by itself, within its share, as the server of "
        "`counters.url` did not answer.",
    ),
    Family(
        "callgate_budget_warnings",
        "counter",
        ("model", "scope"),
        "Requests that drew on a budget beyond `budgets.warn_at` of it; the scope is `account`, "
        "`key` or `model`.",
    ),
    Family(
        "callgate_tokens",
        "counter",
        ("model", "provider", "kind"),
        "Tokens: `input` and `output`, and of these `cached`, `cache_write`, `reasoning`.",
    ),
    Family("callgate_cost_usd", "counter", _TARGET, "What requests have cost at list prices."),
    Family(
        "callgate_request_seconds",
        "histogram",
        _TARGET,
        "From the arrival of a request to the end of its response.",
        SECONDS,
    ),
    Family(
        "callgate_upstream_seconds",
        "histogram",
        _TARGET,
        "The part of it that was spent waiting for providers.",
        SECONDS,
    ),
    Family(
        "callgate_first_token_seconds",
        "histogram",
        _TARGET,
        "From the arrival to the first piece of the answer.",
        SECONDS,
    ),
    Family(
        "callgate_gateway_seconds",
        "histogram",
        _TARGET,
        "The part that the gateway took itself.",
        SMALL_SECONDS,
    ),
    Family("callgate_counted_since_seconds", "gauge", (), "Unix time from which on is counted."),
    Family("callgate_workers", "gauge", (), "Workers that serve callers."),
    Family("callgate_requests_in_progress", "gauge", (), "Requests being served."),
    Family("callgate_requests_queued", "gauge", (), "Requests that wait for a place."),
    Family(
        "callgate_counters_outages",
        "gauge",
        (),
        "Times that the present workers have lost the server of `counters.url`.",
    ),
    Family("callgate_streams_open", "gauge", (), "Streams being relayed."),
    Family(
        "callgate_circuit_open",
        "gauge",
        ("deployment",),
        "1 where a worker's circuit to a deployment is open, 0.5 where it is half-open.",
        most=True,
    ),
    Family(
        "callgate_upstream_connections",
        "gauge",
        ("host", "state"),
        "Connections to providers, `busy` and `idle`, and requests `waiting` for one.",
    ),
    Family(
        "callgate_budget_limit_usd",
        "gauge",
        (*_LIMITED, "period"),
        "What may be spent in this day or month of UTC; the subject is a key's id or a model's "
        "name, empty where the scope is the account.",
        most=True,
    ),
    Family(
        "callgate_budget_spent_usd",
        "gauge",
        (*_LIMITED, "period"),
        "What is spent of it, what requests in progress have reserved included.",
        most=True,
    ),
    Family(
        "callgate_token_limit",
        "gauge",
        _LIMITED,
        "Tokens that may be used in 60 seconds.",
        most=True,
    ),
    Family(
        "callgate_token_limit_used",
        "gauge",
        _LIMITED,
        "Tokens of it that are used or reserved in the window that is open.",
        most=True,
    ),
    Family(
        "callgate_journal_backlog_bytes",
        "gauge",
        (),
        "Bytes of records that are not in the store yet.",
        most=True,
    ),
    Family(
        "callgate_journal_backlog_seconds",
        "gauge",
        (),
        "Age of the oldest record that is not in the store yet.",
        most=True,
    ),
    Family("callgate_journal_held", "gauge", (), "Records held in memory, as the disk takes none."),
    Family("callgate_journal_lost", "gauge", (), "Records that had to be given up."),
    Family(
        "callgate_degraded",
        "gauge",
        ("part",),
        "1 for each part that `GET /ready` finds not to be well.",
        most=True,
    ),
)

FAMILIES: Mapping[str, Family] = {family.name: family for family in _ALL}
