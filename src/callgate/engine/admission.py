"""Who may call what, and how often: decided before any upstream is touched."""

from __future__ import annotations

from callgate.core.chat import ChatRequest
from callgate.core.directory import Directory
from callgate.core.models import Model
from callgate.core.validate import check_model
from callgate.engine.call import Call
from callgate.errors import GatewayError
from callgate.store.base import Counters, Key

_NOT_YET = ("fallbacks", "fallback_config", "post_processing_steps")


class Admission:
    """Checks a call against its key, its model and the account's limit."""

    def __init__(self, directory: Directory, counters: Counters, region: str) -> None:
        self._directory = directory
        self._counters = counters
        self._region = region

    def choose(self, call: Call, key: Key, name: str) -> Model:
        """The model asked for, if it is served here and the key may use it.

        Raises GatewayError `model_not_found`, `model_retired`, `model_not_in_region` or
        `model_not_allowed`.
        """
        call.model_asked = name
        model = self._directory.find(name)
        if key.models is not None and name not in key.models:
            raise GatewayError(
                "model_not_allowed",
                f"This key may not use model {name!r}; it may use: {', '.join(key.models)}",
                param="model",
            )
        call.model = model
        return model

    def check(self, request: ChatRequest, model: Model) -> None:
        """Refuse what the model, or this version, cannot honour. Raises GatewayError."""
        body = request.body
        if body.fallbacks or body.fallback_config or body.post_processing_steps:
            field = next(name for name in _NOT_YET if getattr(body, name))
            raise GatewayError(
                "unsupported_field",
                f"Invalid request: {field!r} is not supported by this version of the gateway",
                param=field,
            )
        if body.model_region is not None and body.model_region.lower() != self._region:
            raise GatewayError(
                "model_not_in_region",
                f"Model region {body.model_region[:64]!r} was asked for, this endpoint serves "
                f"{self._region!r}",
                param="model_region",
                fix="Leave `model_region` out, or use the endpoint of that region.",
            )
        check_model(request, model)

    async def reserve(self, call: Call, key: Key, model: Model) -> None:
        """Take one request from the account's window for the model.

        Raises GatewayError `rate_limited`; the state of the window is on the call either way.
        """
        limit = key.limits.get(model.name, model.rate_limit)
        quota = await self._counters.reserve(key.account, model.name, limit, call.arrived)
        call.quota = quota
        if not quota.admitted:
            wait = max(1.0, quota.reset - call.arrived)
            raise GatewayError(
                "rate_limited",
                f"Rate limit of {limit} requests per 60 s for model {model.name!r} is used up",
                retry_after=wait,
            )

    async def look(self, call: Call, key: Key, model: Model) -> None:
        """Note the state of the window on the call, taking nothing from it."""
        limit = key.limits.get(model.name, model.rate_limit)
        call.quota = await self._counters.peek(key.account, model.name, limit, call.arrived)
