"""The order in which the deployments of a model are tried."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from callgate.core.health import Health
from callgate.core.models import Deployment


def order(
    deployments: Sequence[Deployment],
    health: Mapping[str, Health],
    now: float,
    chance: Callable[[], float],
) -> list[Deployment]:
    """The available deployments, the first one to ask in front; empty if none is available.

    The first is the better of two drawn by weight ("power of two choices"): the one with fewer
    requests outstanding, each counted by the latency that was seen. Those that have refused lately
    come last: they fail fast, so they would always have the least to do. `chance` gives numbers in
    [0, 1); `health` is by the deployment's id.
    """
    ready = [one for one in deployments if health[one.id].available(now)]
    if len(ready) < 2:
        return ready
    refusing = {one.id for one in ready if health[one.id].refuses(now)}
    drawn = [one for one in ready if one.id not in refusing] or ready
    first, second = draw(drawn, chance()), draw(drawn, chance())
    best = second if _is_better(health[second.id], health[first.id]) else first
    rest = [one for one in ready if one is not best]
    return [best, *sorted(rest, key=lambda one: (one.id in refusing, -one.weight))]


def draw(deployments: Sequence[Deployment], chance: float) -> Deployment:
    """A deployment drawn with probability proportional to its weight; `chance` is in [0, 1)."""
    left = chance * sum(one.weight for one in deployments)
    for deployment in deployments:
        left -= deployment.weight
        if left < 0:
            return deployment
    return deployments[-1]


def _is_better(one: Health, other: Health) -> bool:
    """Compares load: outstanding requests, times the observed latency if both have one."""
    known = one.latency > 0 < other.latency
    ours = (one.outstanding + 1) * (one.latency if known else 1.0)
    return ours < (other.outstanding + 1) * (other.latency if known else 1.0)
