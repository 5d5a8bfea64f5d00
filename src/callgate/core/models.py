"""What can be called: models, the deployments that serve them, and the vendors behind those."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Final, Literal

from callgate.core.http import Origin
from callgate.core.price import Price
from callgate.core.secret import Secret

AuthScheme = Literal["none", "bearer", "x-api-key", "api-key", "x-goog-api-key", "sigv4", "google"]

_NO_SECRET: Final = Secret("")


@dataclass(frozen=True, kw_only=True)
class Vendor:
    """A row of the provider registry: how one vendor's servers differ from their dialect."""

    name: str
    dialect: str
    # `{region}` in it stands for the provider's region, or else `default_region`.
    base_url: str = ""
    # The variable that usually holds the key.
    env: str = ""
    auth: AuthScheme = "bearer"
    # Its names of the output limit and of `seed`.
    max_tokens_field: str = "max_tokens"
    seed_field: str = "seed"
    # Whether `stream_options.include_usage` may be sent.
    stream_usage: bool = True
    # The response header that carries its own request id.
    request_id_header: str = "x-request-id"
    default_region: str = ""
    # What it accepts of an earlier answer besides content and calls; None: it ignores the unknown.
    answer_fields: frozenset[str] | None = None
    # Reasoning is sent back to it as a part of the content.
    thoughts_in_parts: bool = False
    # It knows the role `developer`.
    developer: bool = True
    # It accepts only call ids of nine letters and digits.
    short_ids: bool = False
    # While thinking it requires a thought with every earlier call.
    calls_need_thoughts: bool = False
    # Like OpenAI, it finishes with `stop` if a call was forced by name.
    stops_at_calls: bool = False
    # Unless they are cut, its streams end with a finish reason or with their usage.
    gives_reason: bool = False
    # The form in which its usage reports what it charged; see `core.pricing`.
    bill: str = ""
    # It has OpenAI's Responses API, for what its Chat Completions do not serve.
    responses: bool = False


@dataclass(frozen=True, kw_only=True)
class Timeouts:
    """Seconds to wait for each phase of an upstream call.

    `headers`: from the request sent to the response's head; `first_token`: from the request sent to
    the first piece of a streamed answer, or from the response's head to the first byte of an answer
    that is not streamed; `silence`: between two reads of the body; `total`: for all of it.
    """

    connect: float = 5.0
    headers: float = 120.0
    first_token: float = 60.0
    silence: float = 60.0
    total: float = 600.0


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """One way to a model: a provider's endpoint, its credentials and its own name of the model.

    `path` is the base URL's path without a trailing slash (`/v1`); `session_token` belongs to
    temporary AWS credentials; `options` are further settings of the dialect or the credentials;
    list prices are multiplied by `price_factor`; `worldwide`: the provider may process requests
    outside the region.
    """

    id: str
    provider: str
    vendor: Vendor
    upstream_model: str
    origin: Origin
    path: str
    secret: Secret
    session_token: Secret = _NO_SECRET
    weight: float = 1.0
    timeouts: Timeouts = Timeouts()
    options: dict[str, str] = field(default_factory=dict)
    price_factor: float = 1.0
    worldwide: bool = False


@dataclass(frozen=True, kw_only=True)
class Model:
    """A model as callers know it. `rate_limit` is requests per 60 s and account, `token_limit`
    tokens; budgets are US dollars per account; `price` replaces the list prices.

    Empty `supported_parameters` or `input_modalities` are unknown, so that everything is let
    through. `worldwide`: some of its deployments are.
    """

    name: str
    deployments: tuple[Deployment, ...]
    display_name: str = ""
    description: str = ""
    creator: str = ""
    context_length: int = 0
    max_output_tokens: int = 0
    regions: tuple[str, ...] = ()
    rate_limit: int = 30
    token_limit: int | None = None
    budget_day: float | None = None
    budget_month: float | None = None
    input_modalities: tuple[str, ...] = ()
    output_modalities: tuple[str, ...] = ()
    supported_parameters: tuple[str, ...] = ()
    default_parameters: dict[str, float | int | str] = field(default_factory=dict)
    created: int = 0
    retirement_date: date | None = None
    successor: str | None = None
    fallbacks: tuple[str, ...] = ()
    price: Price | None = None
    hedge: bool = False
    worldwide: bool = False


@dataclass(frozen=True, kw_only=True)
class Absent:
    """A model that is known but not served: retired, or served in other regions only."""

    name: str
    retired: bool = False
    successor: str | None = None
    regions: Sequence[str] = ()
