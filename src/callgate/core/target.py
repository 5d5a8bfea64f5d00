"""Where an attempt goes."""

from __future__ import annotations

from callgate.core.models import Deployment, Model
from callgate.core.value import Value


class Target(Value):
    """A model, and one of the deployments that serve it."""

    __slots__ = ("deployment", "model")
    __match_args__ = ("model", "deployment")

    def __init__(self, model: Model, deployment: Deployment) -> None:
        self.model = model
        self.deployment = deployment
