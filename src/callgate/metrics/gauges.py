"""What one worker is doing at this moment, as series."""

from __future__ import annotations

from collections.abc import Iterable

from callgate.core.allowance import Filled
from callgate.core.pricing import NANO
from callgate.metrics.tally import Series, Snapshot

_OF_MEASURE = {
    "spend": ("callgate_budget_limit_usd", "callgate_budget_spent_usd"),
    "tokens": ("callgate_token_limit", "callgate_token_limit_used"),
}
_CIRCUITS = {"closed": 0.0, "half-open": 0.5, "open": 1.0}


def gauges(
    *,
    in_progress: int,
    queued: int,
    streams: int,
    circuits: Iterable[tuple[str, str]],
    connections: Iterable[tuple[str, int, int, int]],
    outages: int,
    held: int,
    lost: int,
    degraded: Iterable[str],
    filled: Iterable[Filled],
) -> Snapshot:
    """The figures of a worker.

    `circuits` are deployments with their breaker's state; `connections` are hosts with how many
    are open, idle among these, and waited for; `outages` is how often the server that counts limits
    went away; `degraded` names the parts that are not well;
    `filled` are limits on tokens and money, and what of them is used up.
    """
    lines = [
        (host, state, count)
        for host, opened, idle, waiting in connections
        for state, count in (("busy", opened - idle), ("idle", idle), ("waiting", waiting))
    ]
    return {
        "callgate_workers": [Series((), 1)],
        "callgate_requests_in_progress": [Series((), in_progress)],
        "callgate_requests_queued": [Series((), queued)],
        "callgate_streams_open": [Series((), streams)],
        "callgate_circuit_open": [Series((name,), _CIRCUITS[state]) for name, state in circuits],
        "callgate_upstream_connections": [
            Series((host, state), count) for host, state, count in lines
        ],
        "callgate_counters_outages": [Series((), outages)],
        "callgate_journal_held": [Series((), held)],
        "callgate_journal_lost": [Series((), lost)],
        "callgate_degraded": [Series((part,), 1) for part in degraded],
        **_filled(filled),
    }


def _filled(filled: Iterable[Filled]) -> Snapshot:
    found: Snapshot = {name: [] for names in _OF_MEASURE.values() for name in names}
    for account, rule, used in filled:
        labels: tuple[str, ...] = (account, rule.scope, rule.subject)
        scale = 1
        if rule.measure == "spend":
            labels, scale = (*labels, rule.period.name.lower()), NANO
        limit_name, used_name = _OF_MEASURE[rule.measure]
        found[limit_name].append(Series(labels, rule.limit / scale))
        found[used_name].append(Series(labels, used / scale))
    return found
