"""From a record to spans: one of the request, and one of each attempt beneath it.

Names and attributes: https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-spans/ and
https://opentelemetry.io/docs/specs/semconv/http/http-spans/. A record has no prompt and no answer;
where a span is to have them, they come from the capture (`traces.content`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

import msgspec
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, TraceFlags
from opentelemetry.trace.status import Status, StatusCode

from callgate.core.record import Attempt, Record
from callgate.core.trace import TraceContext, span_id

_SAMPLED = TraceFlags(TraceFlags.SAMPLED)
_SCOPE = InstrumentationScope("callgate")
_PROVIDERS: Mapping[str, str] = {
    "azure": "azure.ai.openai",
    "bedrock": "aws.bedrock",
    "gemini": "gcp.gemini",
    "mistral": "mistral_ai",
    "vertex": "gcp.vertex_ai",
    "xai": "x_ai",
}
"""The conventions' own words for providers, where they are not the name that we use."""
_PARAMETERS: Mapping[str, str] = {
    "max_tokens": "gen_ai.request.max_tokens",
    "max_completion_tokens": "gen_ai.request.max_tokens",
    "temperature": "gen_ai.request.temperature",
    "top_p": "gen_ai.request.top_p",
    "top_k": "gen_ai.request.top_k",
    "seed": "gen_ai.request.seed",
    "frequency_penalty": "gen_ai.request.frequency_penalty",
    "presence_penalty": "gen_ai.request.presence_penalty",
    "n": "gen_ai.request.choice.count",
}
_MOST = 2**63 - 1  # OTLP's integers; one beyond would fail all spans that are sent with it
_ANSWERED = frozenset({"done"})
_NOTHING: Mapping[str, Any] = MappingProxyType({})


def spans(
    record: Record, trace: TraceContext, resource: Resource, said: Mapping[str, Any] = _NOTHING
) -> Iterator[ReadableSpan]:
    """The spans of a record whose trace is recorded.

    `said` are the attributes of what was said (`traces.content`): the attempt that answered carries
    them, or the last one; the request itself where there was none.
    """
    started = record.time * 1_000_000
    own = _context(trace, span_id(record.request_id, 0))
    yield ReadableSpan(
        f"{record.method} {record.path}",
        context=own,
        parent=_context(trace, trace.parent, remote=True) if trace.parent else None,
        resource=resource,
        attributes=_present({**_of_request(record), **({} if record.attempts else said)}),
        kind=SpanKind.SERVER,
        instrumentation_scope=_SCOPE,
        # The caller's own mistakes are no errors of a server.
        status=_status(record.error if record.status >= 500 else None, record.message),
        start_time=started,
        end_time=started + record.total_us * 1000,
    )
    for number, attempt in enumerate(record.attempts, 1):
        begun = started + attempt.started_us * 1000
        first = attempt.first_token_us
        last = number == len(record.attempts)
        yield ReadableSpan(
            f"chat {attempt.upstream_model}",
            context=_context(trace, span_id(record.request_id, number)),
            parent=own,
            resource=resource,
            attributes=_present({**_of_attempt(record, attempt), **(said if last else {})}),
            events=[] if first is None else [Event("first_token", timestamp=begun + first * 1000)],
            kind=SpanKind.CLIENT,
            instrumentation_scope=_SCOPE,
            status=_status(attempt.error, attempt.message),
            start_time=begun,
            end_time=begun + attempt.duration_us * 1000,
        )


def _context(trace: TraceContext, span: str, *, remote: bool = False) -> SpanContext:
    return SpanContext(int(trace.id, 16), int(span, 16), is_remote=remote, trace_flags=_SAMPLED)


def _status(error: str | None, message: str | None) -> Status:
    return Status(StatusCode.UNSET) if error is None else Status(StatusCode.ERROR, message or error)


def _present(attributes: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in attributes.items() if value is not None}


def _of_request(record: Record) -> dict[str, Any]:
    return {
        "http.request.method": record.method,
        "url.path": record.path,
        "http.response.status_code": record.status,
        "client.address": record.client,
        "user_agent.original": record.user_agent,
        "error.type": record.error,
        "callgate.request_id": record.request_id,
        "callgate.region": record.region,
        "callgate.account": record.account,
        "callgate.key_id": record.key_id,
        "callgate.cost_usd": record.cost_usd,
        "callgate.attempts": len(record.attempts),
    }


def _of_attempt(record: Record, attempt: Attempt) -> dict[str, Any]:
    told: dict[str, Any] = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": _PROVIDERS.get(attempt.provider, attempt.provider),
        "gen_ai.request.model": attempt.upstream_model,
        "server.address": attempt.host,
        "http.response.status_code": attempt.status,
        "error.type": attempt.error,
        "callgate.deployment": attempt.deployment,
        "callgate.provider_request_id": attempt.provider_request_id,
        "callgate.decision": attempt.decision,
        "callgate.reason": attempt.reason,
    }
    for name, raw in (record.parameters or {}).items():
        if name in _PARAMETERS:
            value = msgspec.json.decode(raw)
            fits = isinstance(value, int | float) and abs(value) <= _MOST
            told[_PARAMETERS[name]] = value if fits else None
    if attempt is record.attempts[-1] and attempt.decision in _ANSWERED:
        if record.usage is not None:
            told["gen_ai.usage.input_tokens"] = record.usage.input_tokens
            told["gen_ai.usage.output_tokens"] = record.usage.output_tokens
        if record.finish_reason is not None:
            told["gen_ai.response.finish_reasons"] = [record.finish_reason]
    return told
