"""What the gateway answers, as structs: what is sent from them, and what the document says."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType, field

Json = dict[str, Any]
Count = Annotated[int, Meta(ge=0)]


class DefaultParameters(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a parameter is where the request leaves it out; null: the provider's own default."""

    temperature: float | None = None
    top_p: float | None = None
    frequency_penalty: float | None = None


class TopProvider(Struct, frozen=True, kw_only=True):
    """The limits of the first provider. A length of 0 means unknown."""

    is_moderated: bool
    context_length: Count
    max_completion_tokens: Count


class ProviderRef(Struct, frozen=True, kw_only=True):
    """A provider of the configuration, by the name that it has there."""

    id: str
    name: str


class Rates(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """US dollars per million tokens."""

    prompt: float
    completions: float
    input_cache_read: float | None = None
    input_cache_write: float | None = None
    input_cache_write_1h: float | None = None


class Pricing(Struct, frozen=True, kw_only=True):
    """The first provider's list price; where `known` is false, the rates of 0 mean nothing.

    `tiered` says that other rates hold in some cases, such as long prompts. Where requests with
    `model_region: "global"` go elsewhere, `global` is their price, and that of all others stands
    under the gateway's region.
    """

    everywhere: Rates = field(name="global")
    known: bool
    tiered: bool = False
    us: Rates | UnsetType = UNSET
    eu: Rates | UnsetType = UNSET


class ModelObject(Struct, frozen=True, kw_only=True):
    """A model that can be called here. `created` and `retirement_date` are Unix seconds or 0.

    Lengths are tokens, 0 where unknown; so is an empty list of parameters or modalities.
    `rate_limit` is requests per 60 seconds and account, unless the key says otherwise.
    """

    id: str
    object: Literal["model"] = "model"
    created: Count
    owned_by: str
    name: str
    description: str
    creator: str
    context_length: Count
    max_output_tokens: Count
    input_modalities: tuple[str, ...]
    output_modalities: tuple[str, ...]
    supported_parameters: tuple[str, ...]
    default_parameters: DefaultParameters
    top_provider: TopProvider
    pricing: Pricing
    rate_limit: Count
    retirement_date: Count
    successor: str | None
    available_regions: tuple[str, ...]
    providers: tuple[ProviderRef, ...]
    default_provider: ProviderRef


class ModelList(Struct, frozen=True, kw_only=True):
    """Every model that can be called here."""

    object: Literal["list"] = "list"
    data: list[ModelObject]


class Health(Struct, frozen=True, kw_only=True):
    """The process runs and answers."""

    status: Literal["ok"] = "ok"


class Finding(Struct, frozen=True, kw_only=True):
    """The state of one part. `degraded` is felt by nobody yet, `down` is; both say what to do."""

    part: str
    state: Literal["ok", "degraded", "down"] = "ok"
    why: str = ""
    fix: str = ""


class Readiness(Struct, frozen=True, kw_only=True):
    """The worst state of all parts; `findings` names the parts that are not ok."""

    status: Literal["ok", "degraded", "down"]
    findings: list[Finding]


class RequestSummary(Struct, frozen=True, kw_only=True):
    """One request of the account. `time` is Unix milliseconds, `total_us` microseconds.

    `attempts` counts how often a provider was asked; `message` is the error's.
    """

    request_id: str
    time: int
    method: str
    path: str
    status: int
    key_id: str | None
    client_request_id: str | None
    model: str | None
    model_served: str | None
    provider: str | None
    stream: bool
    error: str | None
    origin: str | None
    message: str | None
    finish_reason: str | None
    input_tokens: int | None
    output_tokens: int | None
    cost_usd: float | None
    total_us: Count
    attempts: Count


class RequestList(Struct, frozen=True, kw_only=True):
    """Requests, newest first. With `next_cursor` as `cursor` the list goes on; null: it has ended.

    A list may be shorter than its limit and still go on: no more was found in the time it may take.
    """

    object: Literal["list"] = "list"
    data: list[RequestSummary]
    next_cursor: str | None


class AttemptSummary(Struct, frozen=True, kw_only=True):
    """One try at one provider, with the provider's own request id. `duration_ms` is milliseconds.

    `status` is what the provider answered, `error` a type of the taxonomy.
    """

    model: str
    provider: str
    status: int | None
    error: str | None
    provider_request_id: str | None
    duration_ms: Annotated[float, Meta(ge=0)]


class ErrorMetadata(Struct, frozen=True, kw_only=True):
    """Whose fault it was and what to do; `errors` lists every fault of a request.

    `docs` leads to the section on this type of error, as text or JSON.
    """

    errors: list[str]
    origin: Literal["client", "gateway", "upstream"]
    retryable: bool
    cause: str
    fix: str
    docs: str
    request_id: str
    attempts: list[AttemptSummary]


class ErrorType(Struct, frozen=True, kw_only=True):
    """A row of the taxonomy: what holds for every failure of this type."""

    type: str
    status: int
    origin: Literal["client", "gateway", "upstream"]
    retryable: bool
    cause: str
    fix: str
    docs: str


class ErrorTypeList(Struct, frozen=True, kw_only=True):
    """Every type of error."""

    object: Literal["list"] = "list"
    data: list[ErrorType]


class ErrorDetail(Struct, frozen=True, kw_only=True):
    """A failure. `type` is stable; `param` is the path of the field at fault."""

    code: int
    message: str
    type: str
    param: str | None
    metadata: ErrorMetadata


class ErrorList(Struct, frozen=True, kw_only=True):
    """Every fault of a request, as `error.metadata` has it too."""

    errors: list[str]


class ErrorBody(Struct, frozen=True, kw_only=True):
    """Every answer that is not a success, and the event that ends a broken stream.

    `code`, `message` and `metadata` repeat for older clients what `error` says.
    """

    request_id: str
    code: int
    message: str
    metadata: ErrorList
    error: ErrorDetail


class ChatUsage(Struct, frozen=True, kw_only=True):
    """Tokens, under OpenAI's names for both of its APIs; `estimated` where we had to guess."""

    input_tokens: Count
    output_tokens: Count
    total_tokens: Count
    prompt_tokens: Count
    completion_tokens: Count
    input_tokens_details: Json | UnsetType = UNSET
    output_tokens_details: Json | UnsetType = UNSET
    prompt_tokens_details: Json | UnsetType = UNSET
    completion_tokens_details: Json | UnsetType = UNSET
    estimated: bool | UnsetType = UNSET


class Choice(Struct, frozen=True, kw_only=True):
    """One answer. `native_finish_reason` is the provider's own word; `tool_calls` a copy."""

    index: Count
    message: Json
    finish_reason: str | None
    native_finish_reason: str | UnsetType | None = UNSET
    logprobs: Json | UnsetType | None = UNSET
    tool_calls: list[Json] | UnsetType = UNSET


class ChatCompletion(Struct, frozen=True, kw_only=True):
    """A whole answer. `request` repeats the parameters, `response_time` is nanoseconds; `metadata`
    says under `response_format` how an answer departs from its schema, where it does.
    """

    id: str
    object: Literal["chat.completion"] = "chat.completion"
    created: int
    model: str
    choices: list[Choice]
    usage: ChatUsage | UnsetType = UNSET
    request_id: str
    request: Json
    http_status_code: int
    llm_status_code: int
    response_time: Count
    metadata: Json | UnsetType = UNSET


class ChunkChoice(Struct, frozen=True, kw_only=True):
    """A piece of one answer."""

    index: Count
    delta: Json
    finish_reason: str | UnsetType | None = UNSET
    native_finish_reason: str | UnsetType | None = UNSET
    logprobs: Json | UnsetType | None = UNSET


class ChatCompletionChunk(Struct, frozen=True, kw_only=True):
    """One event of a stream. The last one before `[DONE]` has the usage, if it was asked for."""

    id: str
    object: Literal["chat.completion.chunk"] = "chat.completion.chunk"
    created: int
    model: str
    choices: list[ChunkChoice]
    request_id: str
    usage: ChatUsage | UnsetType = UNSET
    metadata: Json | UnsetType = UNSET
