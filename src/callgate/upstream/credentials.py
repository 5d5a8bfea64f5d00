"""Credentials that have to be fetched before a request can carry them."""

from __future__ import annotations

from dataclasses import replace

from callgate.core.models import Deployment
from callgate.upstream.google_token import GoogleToken

FETCHED = frozenset({"google"})
"""The schemes whose secret is not configured but fetched, and changes."""


class Credentials:
    """What has been fetched, by provider; belongs to one event loop."""

    def __init__(self) -> None:
        self._google: dict[str, GoogleToken] = {}

    async def current(self, deployment: Deployment) -> Deployment:
        """The deployment with a secret that is good now.

        Raises GatewayError `provider_credentials` or `upstream_unreachable`.
        """
        token = self._google.get(deployment.provider)
        if token is None:
            token = GoogleToken(deployment.options.get("credentials_file", ""))
            self._google[deployment.provider] = token
        return replace(deployment, secret=await token.get())
