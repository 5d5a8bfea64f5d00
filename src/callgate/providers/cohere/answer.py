"""The parts that whole and streamed answers of Cohere share.

https://docs.cohere.com/reference/chat
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from callgate.core.chat import Json, Usage
from callgate.errors import GatewayError
from callgate.providers.strict import Malformed, inner, listed, string

MAX_COUNT = 2**53

FINISH_REASONS: Mapping[str, str] = MappingProxyType(
    {
        "COMPLETE": "stop",
        "STOP_SEQUENCE": "stop",
        "MAX_TOKENS": "length",
        "TOOL_CALL": "tool_calls",
        "ERROR_TOXIC": "content_filter",
        "ERROR_LIMIT": "length",
    }
)
FAILED = ("ERROR", "TIMEOUT")


def finish_reason(reason: object) -> tuple[str, str]:
    """OpenAI's word and Cohere's own. Raises Malformed for what is none, GatewayError where it
    says that the answer failed and no more.
    """
    if not isinstance(reason, str) or not reason:
        raise Malformed("no finish reason")
    if reason == "TIMEOUT":
        raise GatewayError("upstream_timeout", "The provider ran out of time.", detail=reason)
    if reason in FAILED:
        raise GatewayError("bad_upstream_reply", "The provider's answer failed.", detail=reason)
    return FINISH_REASONS.get(reason, "stop"), reason[:100]


def usage_of(raw: object) -> Usage | None:
    """The usage that is reported, None where it is none.

    `tokens` counts what the model read and wrote, as the cached and the reasoning tokens are
    counted; `billed_units`, which leaves out what Cohere adds to a prompt, is kept beside it.
    """
    if not isinstance(raw, dict):
        return None
    billed, tokens = _inner(raw, "billed_units"), _inner(raw, "tokens")
    counted = tokens if _count(tokens, "input_tokens") is not None else billed
    read, written = _count(counted, "input_tokens"), _count(counted, "output_tokens")
    if read is None and written is None:
        return None
    cached, reasoned = _count(raw, "cached_tokens"), _count(tokens, "reasoning_tokens")
    extra = {"billed_units": billed} if billed else {}
    if _count(tokens, "image_tokens"):
        extra["image_tokens"] = tokens["image_tokens"]
    return Usage(
        input_tokens=read or 0,
        output_tokens=written or 0,
        total_tokens=(read or 0) + (written or 0),
        input_details=None if cached is None else {"cached_tokens": cached},
        output_details=None if reasoned is None else {"reasoning_tokens": reasoned},
        extra=extra or None,
    )


def annotation(citation: Json, starts: Mapping[int, int]) -> Json:
    """A citation as OpenAI has it where its source is of the web; others are cited likewise.

    Cohere counts the characters of one block (https://docs.cohere.com/reference/chat, `citations`);
    `starts` tells where in the content each block of text begins. One of the thoughts has no place
    in the content, and is told without.
    """
    if citation.get("type") == "THINKING_CONTENT":
        return {"type": "file_citation", "file_citation": citation}
    span = _span(citation, starts)
    for source in listed(citation.get("sources")):
        for name in ("document", "tool_output"):
            of = inner(source).get(name)
            if not isinstance(of, dict):
                continue
            url = of.get("url")
            if isinstance(url, str) and url.startswith(("http://", "https://")):
                title = string(of.get("title") or "")
                cited = {**citation, "url": url, "title": title, **span}
                return {"type": "url_citation", "url_citation": cited}
    return {"type": "file_citation", "file_citation": {**citation, **span}}


def _span(citation: Json, starts: Mapping[int, int]) -> Json:
    start, end, block = (citation.get(name) for name in ("start", "end", "content_index"))
    if type(start) is not int or type(end) is not int or citation.get("type") == "PLAN":
        return {"start_index": start, "end_index": end}  # the plan is where the content begins
    begun = starts.get(block) if type(block) is int else None
    if begun is None:  # of the text, of which there is one block
        begun = min(starts.values(), default=0)
    return {"start_index": begun + start, "end_index": begun + end}


def logprobs_of(pieces: object) -> Json | None:
    """OpenAI's object of Cohere's pieces, each of which has one token or several."""
    if not isinstance(pieces, list) or not pieces:
        return None
    content = []
    for piece in pieces:
        text, values = string(inner(piece).get("text", "")), piece.get("logprobs")
        if not isinstance(values, list) or not all(type(one) in (int, float) for one in values):
            raise Malformed("log probabilities that are not numbers")
        content.append(
            {
                "token": text,
                "logprob": float(sum(values)),
                "bytes": list(text.encode()),
                "top_logprobs": [],
            }
        )
    return {"content": content, "refusal": None}


def call_of(call: object) -> Json:
    """A tool call that begins or is whole."""
    given = inner(call)
    function = inner(given.get("function"))
    return {
        "id": string(given.get("id")),
        "type": "function",
        "function": {
            "name": string(function.get("name")),
            "arguments": string(function.get("arguments") or ""),
        },
    }


def message_of(given: object) -> Json:
    """OpenAI's message. A plan before tool calls is its text. Raises Malformed."""
    told = inner(given)
    plan = string(told.get("tool_plan") or "")
    text, thoughts = "", ""
    content = told.get("content")
    others: list[Json] = []
    starts: dict[int, int] = {}
    if isinstance(content, str):
        content = [{"type": "text", "text": content}]
    for at, part in enumerate(listed(content)):
        if inner(part).get("type") == "text":
            starts[at] = len(plan) + len(text)
            text += string(part.get("text", ""))
        elif part.get("type") == "thinking":
            thoughts += string(part.get("thinking", ""))
        else:
            others.append(part)
    calls = [call_of(one) for one in listed(told.get("tool_calls"))]
    for call in calls:
        call["function"]["arguments"] = call["function"]["arguments"] or "{}"
    notes = [annotation(inner(one), starts) for one in listed(told.get("citations"))]
    message: Json = {"role": "assistant", "content": plan + text or (None if calls else "")}
    for name, value in (
        ("reasoning_content", thoughts),
        ("tool_calls", calls),
        ("annotations", notes),
        ("content_parts", others),
    ):
        if value:
            message[name] = value
    return message


def _inner(raw: Json, name: str) -> Json:
    value = raw.get(name)
    return value if isinstance(value, dict) else {}


def _count(raw: Json, name: str) -> int | None:
    value = raw.get(name)
    if type(value) is float and value.is_integer():
        value = int(value)
    return value if type(value) is int and 0 <= value <= MAX_COUNT else None
