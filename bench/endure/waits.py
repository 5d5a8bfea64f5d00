"""Whether callers waited longer while a server was away than at other times, and for whom."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from bench.endure.callers import Answer
from bench.endure.pulse import Strain

_MOST_MS = 60.0
_AFTER = 0.5
_SHOWN = 5
_QUANTILES = (0.5, 0.9, 0.99, 0.999, 1.0)


class Span(NamedTuple):
    """When a server was away, Unix seconds."""

    name: str
    begun: float
    ended: float


class Slow(NamedTuple):
    """A wait that was more than 60 ms longer than is usual, in ms, and what else was at that time.

    `away` are the servers that were; `direct` and `kept` as in `Strain`, `kept` of the gateway that
    was asked, of Redis and of the callers. `rest` is what a request past the gateways and the wait
    of its own gateway for a processor leave unexplained.
    """

    began: float
    gateway: int
    took: float
    away: Sequence[str]
    alone: bool
    direct: float
    kept: Mapping[str, float]
    rest: float


class Waits(NamedTuple):
    """Quantiles of the wait in ms, with all servers and without one; `longer` is their difference.

    The last quantile is the longest wait of all.
    """

    sound: bool
    told: str
    within: dict[str, list[float]]
    outside: list[float]
    slow: list[Slow]


def compared(
    answers: Sequence[Answer], spans: Sequence[Span], strain: Callable[[float, float], Strain]
) -> Waits:
    """The waits of whole answers within the outages, by server, beside those of all others.

    Sound where quantiles and longest wait are at most 60 ms above those of the others, or what is
    above that was the machine's: no wait is 60 ms longer than the usual one and what a request past
    the gateways took at that time and what its gateway waited for a processor, all together.
    """
    within: dict[str, list[float]] = {one.name: [] for one in spans}
    outside: list[float] = []
    told_of: list[tuple[Answer, list[str]]] = []
    for answer in answers:
        if answer.streamed:
            continue
        end = answer.began + answer.took
        hit = [one for one in spans if one.begun <= end and answer.began <= one.ended + _AFTER]
        for waits in [within[one.name] for one in hit] or [outside]:
            waits.append(answer.took * 1000)
        told_of.append((answer, sorted({one.name for one in hit})))
    usual = _quantiles(outside)
    found = {name: _quantiles(waits) for name, waits in within.items()}
    longer = {
        name: [one - other for one, other in zip(waits, usual, strict=True)]
        for name, waits in found.items()
    }
    slow = [
        _slow(answer, away, usual[0], strain)
        for answer, away in told_of
        if answer.took * 1000 > usual[0] + _MOST_MS
    ]
    told = [f"p50/p90/p99/p99.9/max {_shown(usual)} ms with all servers"]
    told += [f"without {name} {_shown(waits)} ms" for name, waits in found.items()]
    worst = max((one for waits in longer.values() for one in waits), default=0.0)
    told.append(f"at most {worst:+.1f} ms longer")
    unexplained = [one for one in slow if one.away and one.rest > _MOST_MS]
    told += _causes(slow, unexplained)
    return Waits(worst <= _MOST_MS or not unexplained, "; ".join(told), found, usual, slow)


def _slow(
    answer: Answer, away: list[str], usual: float, strain: Callable[[float, float], Strain]
) -> Slow:
    found = strain(answer.began, answer.began + answer.took)
    own = f"gateway{answer.gateway}"
    kept = {role: ms for role, ms in found.kept.items() if role in {own, "redis", "callers"}}
    took = round(answer.took * 1000, 1)
    rest = round(took - usual - found.direct - kept.get(own, 0.0), 1)
    return Slow(answer.began, answer.gateway, took, away, answer.degraded, found.direct, kept, rest)


def _causes(slow: Sequence[Slow], unexplained: Sequence[Slow]) -> list[str]:
    if not slow:
        return ["none more than 60 ms above the usual"]
    when = Counter(_away(one) for one in slow)
    told = ", ".join(f"{count} {away}" for away, count in when.most_common())
    judged = f"{len(unexplained)} of those in an outage not by the machine"
    said = [f"{len(slow)} more than 60 ms above the usual ({told}), {judged}"]
    worst = sorted(unexplained or slow, key=lambda one: -one.rest)[:_SHOWN]
    for one in worst:
        kept = ", ".join(f"{role} {ms:g}" for role, ms in sorted(one.kept.items())) or "nobody"
        said.append(
            f"\n         gateway{one.gateway} took {one.took:g} ms {_away(one)}: past the gateways "
            f"{one.direct:g} ms, kept from a processor (ms): {kept}; left {one.rest:g}"
        )
    return said


def _away(one: Slow) -> str:
    return f"without {' and '.join(one.away)}" if one.away else "with all servers"


def _quantiles(waits: Sequence[float]) -> list[float]:
    ordered = sorted(waits) or [0.0]
    return [ordered[min(int(len(ordered) * one), len(ordered) - 1)] for one in _QUANTILES]


def _shown(waits: Sequence[float]) -> str:
    return "/".join(f"{one:.1f}" for one in waits)
