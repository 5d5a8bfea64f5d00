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
    """A row of the provider registry: how one vendor's servers differ from their dialect.

    `env` is the variable that usually holds the key; `max_tokens_field` the field by which the
    vendor takes the output limit; `stream_usage` whether `stream_options.include_usage` may be
    sent; `request_id_header` where it puts its own request id; `{region}` in `base_url` stands for
    the provider's region, `default_region` where none is configured. `answer_fields` are what it
    takes of an earlier answer besides content and calls, None where it passes over what it does
    not know; `thoughts_in_parts` says that reasoning goes back to it as a part of the content;
    `developer` that it knows the role of that name; `short_ids` that it takes only ids of calls of
    nine letters and digits; `seed_field` is its name for `seed`; `calls_need_thoughts` says that
    while thinking it wants a thought with every earlier call; `stops_at_calls` that `stop` is what
    it says, as OpenAI does, where a call was forced by name; `gives_reason` that its streams end
    with a finish reason or with what they have used, if they are not cut; `bill` is the form in
    which its usage tells what it has charged, see `core.pricing`; `responses` says that
    OpenAI's Responses API is beside Chat Completions, for what that does not serve.
    """

    name: str
    dialect: str
    base_url: str = ""
    env: str = ""
    auth: AuthScheme = "bearer"
    max_tokens_field: str = "max_tokens"
    stream_usage: bool = True
    request_id_header: str = "x-request-id"
    default_region: str = ""
    answer_fields: frozenset[str] | None = None
    thoughts_in_parts: bool = False
    developer: bool = True
    short_ids: bool = False
    seed_field: str = "seed"
    calls_need_thoughts: bool = False
    stops_at_calls: bool = False
    gives_reason: bool = False
    bill: str = ""
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

    `path` is the base URL's path without a trailing slash (`/v1`); `session_token` goes with
    temporary credentials of AWS; `options` are what the dialect or the credentials need besides;
    `price_factor` is what its list prices are multiplied by; `worldwide` says that the provider may
    process a request outside the region there.
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
    tokens; budgets are US dollars per account; `price` takes the place of the list prices.

    `supported_parameters` or `input_modalities` empty means that nothing is known of them, so that
    everything goes through. `worldwide` says that some of its deployments are.
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
