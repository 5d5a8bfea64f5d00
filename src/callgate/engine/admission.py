"""Who may call what, and how often: decided before any upstream is touched."""

from __future__ import annotations

from callgate.core.directory import Directory
from callgate.core.models import Model
from callgate.core.record import COUNTED_ALONE
from callgate.core.request import ChatRequest
from callgate.core.validate import check_model
from callgate.engine.askable import check_askable
from callgate.engine.call import Call
from callgate.engine.candidates import Candidate, at_fallback, entries, overridden
from callgate.engine.checkers import Checkers
from callgate.engine.metering import Metering, note_share
from callgate.engine.placing import WORLDWIDE, placed
from callgate.engine.unmarking import UNMARKED, unmarked
from callgate.errors import GatewayError
from callgate.store.base import Counters, Key


class Admission:
    """Checks a call against its key, its model and the account's limit.

    `directory` may be replaced while calls are in progress: each keeps the models it has.
    """

    def __init__(
        self,
        directory: Directory,
        counters: Counters,
        region: str,
        checkers: Checkers,
        metering: Metering,
    ) -> None:
        self.directory = directory
        self.counters = counters
        self.metering = metering
        self._region = region
        self._checkers = checkers

    def choose(self, call: Call, key: Key, name: str) -> Model:
        """The model asked for, if it is served here and the key may use it.

        Raises GatewayError `model_not_found`, `model_retired`, `model_not_in_region` or
        `model_not_allowed`.
        """
        call.model_asked = name
        if call.tape is not None:
            call.tape.began(self.directory, self.metering.accounts)
        call.model = model = self._allowed(key, name)
        return model

    def candidates(self, key: Key, request: ChatRequest, model: Model) -> list[Candidate]:
        """The models that may answer, all of them checked before any upstream is touched.

        Raises GatewayError for whatever a model cannot honour; the path of a mistake in a fallback
        begins with its place, such as `fallbacks[1].model`.
        """
        self._check(request, model)
        if model.worldwide:
            model = placed(request, model)
        candidates = [Candidate(model, request, "model")]
        body = request.body
        if body.fallbacks is None and not model.fallbacks:
            return candidates
        own = body.fallbacks is not None
        for at, entry in enumerate(entries(request, model)):
            try:
                fallback = self._allowed(key, entry["model"])
            except GatewayError as error:
                if own:
                    raise at_fallback(error, at) from None
                continue  # the operator's default, which this key may not use or nobody serves
            changed = overridden(request, entry, at)
            try:
                self._check(changed, fallback)
            except GatewayError as error:
                if own:
                    raise at_fallback(error, at) from None
                continue
            if fallback.worldwide:
                fallback = placed(changed, fallback)
            bare = unmarked(changed, entry, fallback)
            if own:
                try:
                    check_askable(bare, fallback)
                except GatewayError as error:
                    raise at_fallback(error, at) from None
            note = "" if bare is changed else UNMARKED.format(fallback.name)
            candidates.append(Candidate(fallback, bare, f"fallbacks[{at}].model", note))
        return candidates

    async def enter(self, call: Call, key: Key, candidates: list[Candidate]) -> list[Candidate]:
        """Take one request from the account's window for the first model that has any left.

        Returns the candidates from that one on. Raises GatewayError `rate_limited` if no model has
        any; the state of the window is on the call either way. Before that, prepares the check of
        each candidate's `response_format`, and raises what `Checkers.of` raises.
        """
        for at, candidate in enumerate(candidates):
            if candidate.request.body.response_format is not None:
                await self._check_form(candidate.request, at)
        refusal: GatewayError | None = None
        for at, candidate in enumerate(candidates):
            try:
                await self.reserve(call, key, candidate.model, candidate.request)
            except GatewayError as error:
                refusal = refusal or error
                if len(candidates) > 1:
                    call.notes.append(f"{candidate.model.name!r} was passed over: {error.message}")
            else:
                return candidates[at:]
        assert refusal is not None
        raise refusal

    async def _check_form(self, request: ChatRequest, at: int) -> None:
        try:
            await self._checkers.ready(request)
        except GatewayError as error:
            raise (at_fallback(error, at - 1) if at else error) from None

    async def reserve(self, call: Call, key: Key, model: Model, request: ChatRequest) -> None:
        """Take one request from the account's window for the model, with its tokens and price.

        `request` is what the model is asked, which for a fallback may be more than the original.
        Raises GatewayError `rate_limited` or `budget_exhausted`.
        """
        limit = key.limits.get(model.name, model.rate_limit)
        rules = self.metering.rules(key, model)
        if rules:
            quota = await self.metering.reserve(call, key, model, request, limit, rules)
        else:
            quota = await self.counters.reserve(key.account, model.name, limit, call.now())
        if not quota.exact:
            note_share(call)
        elif call.degraded and COUNTED_ALONE not in call.notes:
            call.degraded = False  # the server has come back since the request arrived
        if call.tape is not None and not rules:
            call.tape.reserved(model.name, quota)
        if quota.admitted or call.quota is None:
            call.quota, call.model = quota, model
        if not quota.admitted:
            raise GatewayError(
                "rate_limited",
                f"Rate limit of {limit} requests per 60 s for model {model.name!r} is used up",
                retry_after=max(1.0, quota.reset - call.now()),
            )

    async def look(self, call: Call, key: Key, model: Model) -> None:
        """Note the state of the window on the call, taking nothing from it."""
        limit = key.limits.get(model.name, model.rate_limit)
        call.quota = quota = await self.counters.peek(key.account, model.name, limit, call.now())
        if call.tape is not None:
            call.tape.reserved(model.name, quota)

    def _allowed(self, key: Key, name: str) -> Model:
        model = self.directory.find(name)
        if key.models is not None and name not in key.models:
            raise GatewayError(
                "model_not_allowed",
                f"This key may not use model {name!r}; it may use: {', '.join(key.models)}",
                param="model",
            )
        return model

    def _check(self, request: ChatRequest, model: Model) -> None:
        body = request.body
        if body.model_region is not None and (
            body.model_region.lower() not in (self._region, WORLDWIDE)
        ):
            raise GatewayError(
                "model_not_in_region",
                f"Model region {body.model_region[:64]!r} was asked for, this endpoint serves "
                f"{self._region!r}",
                param="model_region",
                fix='Leave `model_region` out, set it to "global", or use that region\'s endpoint.',
            )
        check_model(request, model)
