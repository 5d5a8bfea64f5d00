"""The JSON of a whole answer as callers get it, field by field, in the order they get it in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import UNSET, Raw, Struct, UnsetType

from callgate.core.chat import Json


class ToldUsage(Struct):
    """Usage under OpenAI's names and under those of the Responses API."""

    input_tokens: int
    output_tokens: int
    total_tokens: int
    prompt_tokens: int
    completion_tokens: int
    input_tokens_details: Json | UnsetType = UNSET
    prompt_tokens_details: Json | UnsetType = UNSET
    output_tokens_details: Json | UnsetType = UNSET
    completion_tokens_details: Json | UnsetType = UNSET
    estimated: bool | UnsetType = UNSET


class Completion(Struct):
    """The fields that every answer has; the provider's further ones go before them.

    https://platform.openai.com/docs/api-reference/chat/object and
    https://www.assemblyai.com/docs/llm-gateway/chat-completions
    """

    id: str
    object: str
    created: int
    model: str
    choices: Sequence[Json]
    usage: ToldUsage | Json | UnsetType
    request_id: str
    request: Mapping[str, Raw]
    http_status_code: int
    llm_status_code: int
    response_time: int
