"""The chat completion as Callgate understands it: what a request may hold, and a chunk.

The request is OpenAI's (https://platform.openai.com/docs/api-reference/chat/create) with
Callgate's own fields. Its structs forbid unknown fields, so that one decode of a body finds every
field that has no meaning here; `core.validate` sorts those out. Chunks keep OpenAI's `delta` and
`choice` objects as dicts, because these are the common tongue that every dialect is translated
into.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

DEFAULT_MAX_TOKENS = 1000
ROOM: Mapping[str, int] = MappingProxyType(
    {"minimal": 1024, "low": 2048, "medium": 8192, "high": 16_384, "xhigh": 32_768, "max": 65_536}
)
"""Tokens that thinking takes, by the effort that is asked for."""

MAX_MESSAGES = 10_000
MAX_PARTS = 20_000
MAX_TOOLS = 512
MAX_STOPS = 16
MAX_STEPS = 16

Json = dict[str, Any]
Role = Literal["system", "developer", "user", "assistant", "tool", "function"]
Name = Annotated[str, Meta(min_length=1, max_length=256)]
Penalty = Annotated[float, Meta(ge=-2, le=2)]
PositiveInt = Annotated[int, Meta(ge=1, le=2**53)]
Int64 = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
Stop = Annotated[str, Meta(min_length=1)]


class _Shape(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A JSON object of the request; its field names are the wire's."""


class Part(_Shape, frozen=True):
    """One part of a message's content; which of the fields is read depends on `type`."""

    type: str
    text: str | None = None
    image_url: Json | str | None = None
    input_audio: Json | str | None = None
    file: Json | None = None
    refusal: str | None = None
    cache_control: Json | None = None


class FunctionCall(_Shape, frozen=True):
    """A call that a model made: `arguments` is JSON text, not necessarily valid."""

    name: str
    arguments: str = ""


class ToolCall(_Shape, frozen=True):
    """A tool call in the history. `extra_content` carries signatures of other dialects."""

    id: str
    type: str = "function"
    function: FunctionCall | None = None
    custom: Json | None = None
    index: Int64 | None = None
    extra_content: Json | None = None


class Message(_Shape, frozen=True):
    """One turn. `reasoning_*` carry earlier reasoning and its signatures back to the model;
    `is_error` marks a tool's result as a failure, for dialects that can tell.
    """

    role: Role
    content: str | Annotated[list[Part], Meta(max_length=MAX_PARTS)] | None = None
    name: str | None = None
    tool_calls: Annotated[list[ToolCall], Meta(max_length=MAX_TOOLS)] | None = None
    tool_call_id: str | None = None
    is_error: bool | None = None
    function_call: FunctionCall | None = None
    refusal: str | None = None
    audio: Json | None = None
    annotations: Annotated[list[Json], Meta(max_length=MAX_PARTS)] | None = None
    reasoning: str | None = None
    reasoning_content: str | None = None
    reasoning_details: Annotated[list[Json], Meta(max_length=MAX_PARTS)] | None = None
    cache_control: Json | None = None
    prefix: bool | None = None


class Function(_Shape, frozen=True):
    """A function that the model may call; `parameters` is a JSON Schema."""

    name: Name
    description: str | None = None
    parameters: Json | None = None
    strict: bool | None = None


class Tool(_Shape, frozen=True):
    """A tool on offer. Types other than `function` and `custom` are the upstream's own."""

    type: str = "function"
    function: Function | None = None
    custom: Json | None = None
    cache_control: Json | None = None


class NamedFunction(_Shape, frozen=True):
    """The function that must be called."""

    name: Name


class NamedTool(_Shape, frozen=True):
    """The tool that must be called."""

    type: str = "function"
    function: NamedFunction | None = None
    custom: Json | None = None
    allowed_tools: Json | None = None


class JsonSchema(_Shape, frozen=True):
    """A named schema for structured output."""

    name: Name
    description: str | None = None
    schema: Json | None = None
    strict: bool | None = None


class ResponseFormat(_Shape, frozen=True):
    """The form that the answer has to take."""

    type: Literal["text", "json_object", "json_schema"]
    json_schema: JsonSchema | None = None


class StreamOptions(_Shape, frozen=True):
    """What a stream carries besides the answer."""

    include_usage: bool | None = None
    include_obfuscation: bool | None = None


class FallbackConfig(_Shape, frozen=True):
    """How failures are made up for; what is None is as it is by default."""

    retry: bool | None = None
    depth: Annotated[int, Meta(ge=1, le=16)] | None = None
    on_content_filter: bool | None = None
    hedge: bool | None = None
    mid_stream: Literal["continue", "error"] | None = None


class ChatBody(_Shape, frozen=True):
    """The body of `POST /v1/chat/completions`."""

    model: Annotated[str, Meta(min_length=1, max_length=256)]
    messages: Annotated[list[Message], Meta(min_length=1, max_length=MAX_MESSAGES)] | None = None
    prompt: Annotated[str, Meta(min_length=1)] | None = None
    max_tokens: PositiveInt | None = None
    max_completion_tokens: PositiveInt | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    top_k: Annotated[int, Meta(ge=0)] | None = None
    n: Annotated[int, Meta(ge=1, le=128)] | None = None
    stop: Stop | Annotated[list[Stop], Meta(max_length=MAX_STOPS)] | None = None
    seed: Int64 | None = None
    frequency_penalty: Penalty | None = None
    presence_penalty: Penalty | None = None
    logit_bias: dict[str, float] | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None
    tools: Annotated[list[Tool], Meta(max_length=MAX_TOOLS)] | None = None
    tool_choice: Literal["none", "auto", "required", "any"] | NamedTool | None = None
    parallel_tool_calls: bool | None = None
    functions: Annotated[list[Function], Meta(max_length=MAX_TOOLS)] | None = None
    function_call: Literal["none", "auto"] | NamedFunction | None = None
    response_format: ResponseFormat | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    reasoning_effort: str | None = None
    reasoning: Json | None = None
    thinking: Json | None = None
    modalities: Annotated[list[str], Meta(max_length=MAX_STEPS)] | None = None
    audio: Json | None = None
    prediction: Json | None = None
    verbosity: str | None = None
    web_search_options: Json | None = None
    safety_settings: Annotated[list[Json], Meta(max_length=MAX_PARTS)] | None = None
    service_tier: str | None = None
    store: bool | None = None
    metadata: Json | None = None
    user: str | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None
    prompt_cache_retention: str | None = None
    cache_control: Json | None = None
    fallbacks: Annotated[list[Json], Meta(max_length=MAX_STEPS)] | None = None
    fallback_config: FallbackConfig | None = None
    post_processing_steps: Annotated[list[Json], Meta(max_length=MAX_STEPS)] | None = None
    model_region: str | None = None


OWN_FIELDS = frozenset({"fallbacks", "fallback_config", "post_processing_steps", "model_region"})
"""Fields that are addressed to Callgate and never leave it."""

PROMPT_FIELDS = frozenset({"messages", "prompt"})
"""Fields that hold what was asked; every other field is a parameter."""


class Named(Struct):
    """The model that a body names, and whether it asks that nothing of it be kept, whatever else
    may be wrong with it.
    """

    model: Any = None
    zero_data_retention: Any = None


class Usage(Struct, kw_only=True, omit_defaults=True):
    """Tokens, as the provider counted them unless `estimated`.

    `input_tokens` includes cached and cache-write tokens, `output_tokens` includes reasoning. The
    details are OpenAI's objects: `cached_tokens`, `cache_write_tokens`, `audio_tokens` of the
    input; `reasoning_tokens`, `audio_tokens`, `*_prediction_tokens` of the output. `extra` keeps
    what else a provider reports.
    """

    input_tokens: int
    output_tokens: int
    total_tokens: int
    input_details: Json | None = None
    output_details: Json | None = None
    extra: Json | None = None
    estimated: bool = False


class Chunk(Struct, kw_only=True):
    """One piece of a streamed answer; `choices` are OpenAI's chunk choices (`delta`).

    A chunk without choices and with `usage` is the last one. Fields that a dialect does not know
    for each chunk (`id`, `created`, `model`) may be empty: the relay fills them in.
    """

    choices: list[Json]
    usage: Usage | None = None
    id: str = ""
    created: int = 0
    model: str = ""
    extra: Json = {}
