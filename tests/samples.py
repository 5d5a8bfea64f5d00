"""Records of requests as the gateway writes them, for tests that read records."""

from __future__ import annotations

import itertools
import time
from typing import Any

import msgspec
from msgspec import Raw

from callgate.core import ids
from callgate.core.chat import Usage
from callgate.core.entry import Entry, entries_of
from callgate.core.record import BEGUN, Attempt, Record

_numbers = itertools.count(1)


def booked(*records: Record) -> list[Entry]:
    """These records as the clerk gives them to a store."""
    entries, refused = entries_of(msgspec.json.encode(record) for record in records)
    assert refused == []
    return entries


def attempt(**changes: Any) -> Attempt:
    """A sound attempt at OpenAI, with changes."""
    fields: dict[str, Any] = {
        "model": "gpt-4.1",
        "provider": "openai",
        "deployment": "openai/gpt-4.1",
        "upstream_model": "gpt-4.1",
        "host": "api.openai.com",
        "started_us": 400,
        "duration_us": 1_200_000,
        "connect_us": 40_000,
        "headers_us": 300_000,
        "first_token_us": 310_000,
        "status": 200,
        "provider_request_id": "req_7f3a",
        "decision": "done",
        "reason": "the answer is complete",
    }
    return Attempt(**{**fields, **changes})


def answered(ago_ms: int = 0, **changes: Any) -> Record:
    """The record of a call that was answered, begun `ago_ms` milliseconds ago, with changes."""
    now = time.time_ns() // 1_000_000 - ago_ms
    fields: dict[str, Any] = {
        "request_id": ids.uuid7(now, next(_numbers) << 64 | next(_numbers)),
        "time": now,
        "region": "us",
        "method": "POST",
        "path": "/v1/chat/completions",
        "status": 200,
        "account": "acme",
        "key_id": "key_1",
        "user_agent": "python-requests/2.32",
        "client": "127.0.0.1",
        "model": "gpt-4.1",
        "model_served": "gpt-4.1",
        "provider": "openai",
        "parameters": {"model": Raw(b'"gpt-4.1"'), "max_tokens": Raw(b"1000")},
        "message_count": 2,
        "prompt_bytes": 120,
        "prompt_sha256": "ab" * 32,
        "finish_reason": "stop",
        "native_finish_reason": "stop",
        "usage": Usage(
            input_tokens=12,
            output_tokens=34,
            total_tokens=46,
            input_details={"cached_tokens": 4},
            output_details={"reasoning_tokens": 20},
        ),
        "cost_usd": 0.000296,
        "total_us": 1_201_000,
        "upstream_us": 1_200_000,
        "gateway_us": 1_000,
        "first_token_us": 310_400,
        "attempts": [attempt()],
    }
    return Record(**{**fields, **changes})


def refused(ago_ms: int = 0, **changes: Any) -> Record:
    """A call without a valid key."""
    fields: dict[str, Any] = {
        "status": 401,
        "error": "unauthorized",
        "origin": "client",
        "message": "Unauthorized - Invalid or missing API key",
        "total_us": 340,
        "upstream_us": 0,
        "gateway_us": 340,
        "attempts": [],
    }
    absent = (
        "account", "key_id", "model", "model_served", "provider", "parameters", "prompt_sha256",
        "finish_reason", "native_finish_reason", "usage", "cost_usd", "first_token_us",
    )  # fmt: skip
    nothing = {**dict.fromkeys(absent), "message_count": 0, "prompt_bytes": 0}
    return answered(ago_ms, **{**nothing, **fields, **changes})


def failed(ago_ms: int = 0, **changes: Any) -> Record:
    """A call that two providers, tried in turn, did not answer."""
    first = attempt(
        duration_us=800_000,
        first_token_us=None,
        status=503,
        error="provider_unavailable",
        message="The server is overloaded",
        decision="retry in 0.9 s",
        reason="the provider is unavailable",
    )
    second = attempt(
        provider="azure",
        deployment="azure/our-gpt",
        upstream_model="our-gpt",
        host="acme.openai.azure.com",
        started_us=1_700_400,
        duration_us=1_000_000,
        headers_us=None,
        first_token_us=None,
        status=None,
        provider_request_id=None,
        error="upstream_timeout",
        message="No response within 1 s",
        decision="stop",
        reason="no other target",
    )
    fields: dict[str, Any] = {
        "status": 504,
        "error": "upstream_timeout",
        "origin": "upstream",
        "message": "azure did not answer in time",
        "provider": "azure",
        "finish_reason": None,
        "native_finish_reason": None,
        "usage": None,
        "cost_usd": None,
        "first_token_us": None,
        "total_us": 2_701_400,
        "upstream_us": 1_800_000,
        "gateway_us": 1_400,
        "paused_us": 900_000,
        "attempts": [first, second],
    }
    return answered(ago_ms, **{**fields, **changes})


def cut(ago_ms: int = 0, **changes: Any) -> Record:
    """A stream that broke off after it had begun."""
    fields: dict[str, Any] = {
        "status": 502,
        "stream": True,
        "notes": [BEGUN],
        "error": "upstream_cut",
        "origin": "upstream",
        "message": "The answer of openai broke off before its end",
        "finish_reason": None,
        "native_finish_reason": None,
        "usage": Usage(input_tokens=12, output_tokens=7, total_tokens=19, estimated=True),
        "attempts": [
            attempt(error="upstream_cut", message="The answer broke off", decision="stop",
                    reason="the caller has part of it already")
        ],
    }  # fmt: skip
    return answered(ago_ms, **{**fields, **changes})
