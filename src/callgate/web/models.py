"""`GET /v1/models` and `GET /v1/models/{id}`: what can be called here.

Public, and the same for everybody: the bytes are rendered whenever models change, and once more
when their prices are known. The fields are OpenAI's
(https://platform.openai.com/docs/api-reference/models/object) and AssemblyAI's
(https://www.assemblyai.com/docs/llm-gateway/api-reference/list-available-models).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from callgate.core.directory import Directory
from callgate.core.models import Model
from callgate.core.price import Price
from callgate.core.target import Target
from callgate.web.shapes import (
    DefaultParameters,
    ModelList,
    ModelObject,
    Pricing,
    ProviderRef,
    Rates,
    TopProvider,
)

PriceRef = tuple[str, str]

_encode = msgspec.json.Encoder().encode
_REGIONS = ("us", "eu")
"""Those whose prices have a field, as AssemblyAI's have."""
_MIDNIGHT = datetime.min.time()


class Models:
    """The routes over one directory of models."""

    def __init__(self, directory: Directory) -> None:
        self._list = b""
        self._one: dict[str, bytes] = {}
        self.follow(directory, lambda target: target.model.price)

    def follow(self, directory: Directory, prices: Callable[[Target], Price | None]) -> None:
        """Show this directory from now on."""
        self._directory = directory
        self.price(prices)

    def price_refs(self) -> list[PriceRef]:
        """The (vendor, upstream model) pairs of every deployment, whose prices are wanted."""
        return [
            (deployment.vendor.name, deployment.upstream_model)
            for model in self._directory.served.values()
            for deployment in model.deployments
        ]

    def price(self, prices: Callable[[Target], Price | None]) -> None:
        """Render the models again with these prices, each with that of its first deployment: of
        those that are in the region, and of those that are not.
        """
        region = self._directory.region
        objects = []
        for model in self._directory.served.values():
            near = next((one for one in model.deployments if not one.worldwide), None)
            far = next((one for one in model.deployments if one.worldwide), None)
            found = [None if one is None else prices(Target(model, one)) for one in (near, far)]
            objects.append(render(model, _pricing(region, *found)))
        self._list = _encode(ModelList(data=objects))
        self._one = {one.id: _encode(one) for one in objects}

    def routes(self) -> list[Route]:
        """The routes as Starlette takes them."""
        return [
            Route("/v1/models", self.list, methods=["GET"]),
            Route("/v1/models/{model:path}", self.show, methods=["GET"]),
        ]

    async def list(self, _request: Request) -> Response:
        """Every model that is served here."""
        return _json(self._list)

    async def show(self, request: Request) -> Response:
        """One model; its id may contain slashes.

        Raises GatewayError `model_not_found`, `model_retired` or `model_not_in_region`.
        """
        name: str = request.path_params["model"]
        if not name:
            raise HTTPException(404)
        body = self._one.get(name)
        return _json(self._one[self._directory.find(name).name] if body is None else body)


def render(model: Model, pricing: Pricing) -> ModelObject:
    """A model as callers see it.

    Its providers are objects as AssemblyAI's SDK for Python wants them; that for Node.js looks at
    none.
    """
    names = dict.fromkeys(one.provider for one in model.deployments)
    providers = tuple(ProviderRef(id=name, name=name) for name in names)
    default_provider = providers[0] if providers else ProviderRef(id="", name="")
    return ModelObject(
        id=model.name,
        created=model.created,
        owned_by=model.creator or default_provider.id,
        name=model.display_name or model.name,
        description=model.description,
        creator=model.creator,
        context_length=model.context_length,
        max_output_tokens=model.max_output_tokens,
        input_modalities=model.input_modalities,
        output_modalities=model.output_modalities,
        supported_parameters=model.supported_parameters,
        default_parameters=_defaults(model),
        top_provider=TopProvider(
            is_moderated=False,
            context_length=model.context_length,
            max_completion_tokens=model.max_output_tokens,
        ),
        pricing=pricing,
        rate_limit=model.rate_limit,
        retirement_date=_seconds(model.retirement_date),
        successor=model.successor,
        available_regions=model.regions,
        providers=providers,
        default_provider=default_provider,
    )


def _pricing(region: str, near: Price | None, far: Price | None) -> Pricing:
    price = far or near
    if price is None:
        return Pricing(everywhere=Rates(prompt=0.0, completions=0.0), known=False)
    own = {region: _rates(near)} if near and far and region in _REGIONS else {}
    return Pricing(everywhere=_rates(price), known=True, tiered=price.tiered, **own)


def _rates(price: Price) -> Rates:
    return Rates(
        prompt=price.input,
        completions=price.output,
        input_cache_read=price.cached_input,
        input_cache_write=price.cache_write,
        input_cache_write_1h=price.cache_write_1h,
    )


def _defaults(model: Model) -> DefaultParameters:
    return msgspec.convert(dict(model.default_parameters), DefaultParameters)


def _seconds(day: date | None) -> int:
    return 0 if day is None else int(datetime.combine(day, _MIDNIGHT, UTC).timestamp())


def _json(body: bytes) -> Response:
    return Response(body, media_type="application/json")
