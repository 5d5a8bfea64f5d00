"""Giving the local model its address, which is known only once its server runs."""

from __future__ import annotations

from dataclasses import replace

import msgspec

from callgate.config.load import Config
from callgate.core.http import Origin
from callgate.core.models import Deployment, Model
from callgate.core.secret import Secret


def bind_local(config: Config, origin: Origin, secret: Secret) -> Config:
    """The configuration with every local deployment pointed at the running server."""

    def bound(deployment: Deployment) -> Deployment:
        if deployment.vendor.dialect != "local":
            return deployment
        return replace(deployment, origin=origin, secret=secret)

    def rebuilt(model: Model) -> Model:
        return replace(model, deployments=tuple(map(bound, model.deployments)))

    directory = config.directory.replace(map(rebuilt, config.models.values()))
    providers = config.providers
    if providers is not None:
        providers = providers.bound(origin, secret)
    return msgspec.structs.replace(config, directory=directory, providers=providers)
