"""Asks every configured provider which models it serves, all at once and within a bound of time."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from callgate.core.http import HttpResponse
from callgate.core.models import Deployment, Model, Timeouts
from callgate.core.survey import Answer, Standing
from callgate.core.target import Target
from callgate.errors import GatewayError
from callgate.providers.aliases import find
from callgate.providers.auth import authorize
from callgate.providers.listing import List, Page, lists_of, scope_of
from callgate.providers.registry import dialect
from callgate.upstream.credentials import FETCHED, Credentials
from callgate.upstream.transport import Transport

TIMEOUTS = Timeouts(connect=5.0, headers=10.0, first_token=10.0, silence=10.0, total=15.0)
_MAX_BYTES = 16 << 20
_MAX_PAGES = 50

# Sound credentials that may call models but not list them say so in these words: an IAM policy
# without bedrock:List…, a restricted key of OpenAI's, a service account of Google's.
_BARRED = ("is not authorized to perform", "missing scopes", "permission '", "permission_denied")


async def survey(models: Iterable[Model], client: Transport) -> list[Answer]:
    """One answer for each provider of these models, by name. Raises nothing of the network."""
    by_provider: dict[str, list[Target]] = {}
    for model in models:
        for deployment in model.deployments:
            if not deployment.origin.port:
                continue  # the local model's server, which runs only while the gateway does
            by_provider.setdefault(deployment.provider, []).append(Target(model, deployment))
    credentials = Credentials()
    asked = (_Inquiry(by_provider[name], client, credentials).answer() for name in by_provider)
    return sorted(await asyncio.gather(*asked), key=lambda answer: answer.provider)


class _Inquiry:
    """One provider, asked for the models of `targets`, which share its address and key."""

    def __init__(
        self, targets: Sequence[Target], client: Transport, credentials: Credentials
    ) -> None:
        self._targets = targets
        self._deployment = targets[0].deployment
        self._client = client
        self._credentials = credentials
        self._status: int | None = None
        self._skew: float | None = None
        self._barred = False

    async def answer(self) -> Answer:
        lists = lists_of(self._deployment)
        ids: dict[str, None] = {}
        why, error = "", None
        scope = scope_of(lists)
        if scope == "none":
            why = "the provider has no list of what has been deployed"
        try:
            async with asyncio.timeout(TIMEOUTS.total):
                deployment = await self._with_secret() if lists else self._deployment
                for one in lists:
                    ids.update(dict.fromkeys(await self._ids(one, deployment)))
        except TimeoutError:
            error = GatewayError("upstream_timeout", f"no answer within {TIMEOUTS.total:g} s")
        except GatewayError as failure:
            error = failure
        if error is not None:
            # The first list may have come whole before the second was refused: it still tells.
            scope, why = ("some" if ids and scope != "none" else "none"), "its list cannot be read"
        if not lists:
            why = "there is no list to ask for"
        standings = [_standing(target, ids, scope, why) for target in self._targets]
        return Answer(
            provider=self._deployment.provider,
            host=self._deployment.origin.host,
            standings=standings,
            asked=bool(lists),
            listed=len(ids),
            status=self._status,
            error=error,
            barred=self._barred,
            skew=self._skew,
        )

    async def _with_secret(self) -> Deployment:
        if self._deployment.vendor.auth in FETCHED:
            return await self._credentials.current(self._deployment)
        return self._deployment

    async def _ids(self, one: List, deployment: Deployment) -> list[str]:
        found: list[str] = []
        page = Page(())
        for _ in range(_MAX_PAGES):
            page = await self._page(one, deployment, page.cursor)
            found += page.ids
            if not page.cursor:
                return found
        raise _unsound(f"a list of more than {_MAX_PAGES} pages")

    async def _page(self, one: List, deployment: Deployment, cursor: str) -> Page:
        now = datetime.now(UTC)
        request = authorize(one.request(deployment, cursor), deployment, now)
        response = await self._client.send(request, TIMEOUTS)
        try:
            self._status = response.status
            self._note_time(response.headers)
            body = await response.read(_MAX_BYTES)
        finally:
            response.close()
        whole = HttpResponse(response.status, response.headers, body)
        if not 200 <= response.status < 300:
            target = Target(self._targets[0].model, deployment)
            error = dialect(deployment.vendor.dialect).error(whole, target)
            words = (error.detail or error.message).lower()
            self._barred = response.status == 403 and any(word in words for word in _BARRED)
            raise error
        try:
            return one.read(whole)
        except ValueError as error:
            raise _unsound(str(error)) from None

    def _note_time(self, headers: Mapping[str, str]) -> None:
        """https://www.rfc-editor.org/rfc/rfc9110#section-6.6.1: whole seconds, cut off."""
        try:
            told = parsedate_to_datetime(headers["date"])
        except (KeyError, ValueError, OverflowError):  # absent, no date, of no year
            return
        told = told if told.tzinfo else told.replace(tzinfo=UTC)
        self._skew = (told - datetime.now(UTC)).total_seconds() + 0.5


def _standing(target: Target, ids: Mapping[str, None], scope: str, why: str) -> Standing:
    name, upstream = target.model.name, target.deployment.upstream_model
    if scope == "none":
        return Standing(model=name, upstream_model=upstream, verdict="unknown", why=why)
    listed = find(upstream, ids)
    if listed is not None:
        return Standing(model=name, upstream_model=upstream, verdict="served", listed_as=listed)
    if scope == "all" and not upstream.startswith("arn:"):
        return Standing(model=name, upstream_model=upstream, verdict="missing")
    why = why or "it is not in the provider's list, which is not a list of all"
    return Standing(model=name, upstream_model=upstream, verdict="unknown", why=why)


def _unsound(what: str) -> GatewayError:
    return GatewayError(
        "bad_upstream_reply", "the provider's list of models makes no sense", detail=what
    )
