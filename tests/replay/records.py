"""The recordings, and which provider of the gateway's configuration each of them is replayed by."""

from __future__ import annotations

import base64
import json
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from . import oracle_anthropic, oracle_bedrock, oracle_cohere, oracle_gemini, oracle_openai
from .outcome import Outcome

Recording = dict[str, Any]

RECORDINGS = Path(
    os.environ.get("CALLGATE_RECORDINGS")
    or Path(__file__).resolve().parents[3] / "shared" / "recordings" / "shared.jsonl"
)
"""Recorded traffic with real providers, one JSON object per line; not part of the project."""

WAYS: Mapping[str, str] = {
    "": "stream",
    "~pieces": "stream in pieces",
    "~framing": "stream in pieces",
    "~short": "stream broken off",
    "~lost": "stream broken off",
}
"""How streams are replayed, by what the model's name ends in.

`pieces`: each piece is a chunk of HTTP of its own; `framing`: the framed bytes are cut, so that the
framing falls apart too; `short`: the answer lacks its end; `lost`: so does the response.
"""
WHOLE = tuple(way for way in WAYS if way not in ("~short", "~lost"))
BROKEN = ("~short", "~lost")


class Lane(NamedTuple):
    """A provider of the configuration. `prefix` is the path of its base URL, `end` what a stream
    has in it only where it comes to its proper end.
    """

    provider: str
    prefix: str
    dialect: str
    read: Callable[[Recording], Outcome]
    request_id: str = "x-request-id"
    end: re.Pattern[bytes] = re.compile(rb'"finish_reason":\s*"|\[DONE\]')


_OPENAI = oracle_openai.read
_STOP_REASON = re.compile(rb'"stop_reason":\s*"')  # what follows it is but the mark of the end
_LANES: Mapping[tuple[str, str], Lane] = {
    ("openai", ""): Lane("openai", "/v1", "openai", _OPENAI),
    ("openai", "azure"): Lane("azure", "/azure", "azure", _OPENAI),
    ("openai", "v1"): Lane("azure-v1", "/azure/openai/v1", "azure", _OPENAI),
    ("openai", "foundry"): Lane("azure-foundry", "/foundry/models", "azure", _OPENAI),
    ("any", "compat"): Lane("openai-compatible", "/v1beta/openai", "openai", _OPENAI),
    ("deepseek", ""): Lane("deepseek", "/deepseek", "openai", _OPENAI),
    ("groq", ""): Lane("groq", "/groq/openai/v1", "openai", _OPENAI),
    ("mistral", ""): Lane("mistral", "/mistral/v1", "openai", _OPENAI),
    ("openrouter", ""): Lane("openrouter", "/openrouter/api/v1", "openai", _OPENAI),
    ("xai", ""): Lane("xai", "/xai/v1", "openai", _OPENAI),
    ("anthropic", ""): Lane(
        "anthropic", "/anthropic/v1", "anthropic", oracle_anthropic.read, "request-id",
        _STOP_REASON,
    ),
    ("anthropic", "vertex"): Lane(
        "vertex-claude", "/vertex-claude/v1/projects/p/locations/global/publishers/anthropic",
        "vertex", oracle_anthropic.read, "request-id", _STOP_REASON,
    ),
    ("google", ""): Lane(
        "gemini", "/gemini/v1beta", "gemini", oracle_gemini.read,
        end=re.compile(rb'"finishReason"'),
    ),
    ("google", "vertex"): Lane(
        "vertex-ai", "/vertex/v1/projects/p/locations/global/publishers/google", "gemini",
        oracle_gemini.read, end=re.compile(rb'"finishReason"'),
    ),
    ("bedrock", ""): Lane(
        "bedrock", "/bedrock", "bedrock", oracle_bedrock.read, "x-amzn-requestid",
        re.compile(rb"messageStop"),
    ),
    ("cohere", ""): Lane(
        "cohere", "/cohere/v2", "cohere", oracle_cohere.read, end=re.compile(rb"message-end")
    ),
}  # fmt: skip

_OWN = frozenset({"anthropic", "bedrock", "cohere", "google"})
"""Those with a dialect of their own; some serve OpenAI's besides."""

LANES: Mapping[str, Lane] = {lane.provider: lane for lane in _LANES.values()}


def lane_of(record: Recording) -> Lane:
    """Where this recording comes from, in the gateway's own terms."""
    provider, tags, path = record["provider"], set(record["tags"]), record["request"]["path"]
    kind = ""
    if provider == "openai" and "azure" in tags:
        kind = "foundry" if "azure_foundry" in tags else "azure"
        kind = "v1" if path.startswith("/openai/v1/") else kind
    elif provider in _OWN and record["endpoint"] == "chat.completions":
        provider, kind = "any", "compat"
    elif provider in ("anthropic", "google") and "vertex" in tags:
        kind = "vertex"
    return _LANES[provider, kind]


def load() -> list[Recording]:
    """Every recording there is."""
    with RECORDINGS.open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def body_of(record: Recording) -> bytes:
    """The recorded body, as near to the wire's bytes as it was kept."""
    response = record["response"]
    if "body_base64" in response:
        return base64.b64decode(response["body_base64"])
    body = response["body"]
    return (body if isinstance(body, str) else json.dumps(body, ensure_ascii=False)).encode()


def names_of(record: Recording) -> list[str]:
    """The models that the record is replayed under."""
    if not record["stream"]:
        return [record["id"]]
    return [record["id"] + way for way in WHOLE] + [
        record["id"] + way for way in BROKEN if end_of(record) is not None
    ]


def end_of(record: Recording) -> int | None:
    """Where the proper end of a stream begins; None where it has none, or is no answer."""
    found = lane_of(record).end.search(body_of(record))
    if record["response"]["status"] != 200 or record["endpoint"] == "chat.v1" or found is None:
        return None
    return None if "stream_error" in record["tags"] else found.start()
