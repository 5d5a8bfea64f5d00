"""Which deployment of a model a call goes to."""

from __future__ import annotations

from collections.abc import Sequence

from callgate.core.models import Deployment


def pick(deployments: Sequence[Deployment], chance: float) -> Deployment:
    """One deployment, each as often as its weight has it; `chance` is in [0, 1)."""
    if len(deployments) == 1:
        return deployments[0]
    left = chance * sum(one.weight for one in deployments)
    for deployment in deployments:
        left -= deployment.weight
        if left < 0:
            return deployment
    return deployments[-1]
