"""Recorded requests to Anthropic, said in OpenAI's words and encoded: they mean the same."""

from __future__ import annotations

import base64
import json
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from .anthropic_wire import sent
from .samples import Record

Json = dict[str, Any]

TOP = {
    "model", "messages", "system", "max_tokens", "temperature", "top_p", "top_k", "stop_sequences",
    "stream", "tools", "tool_choice", "thinking", "output_config", "metadata", "service_tier",
    "anthropic_version",
}  # fmt: skip
RESULT = ("tool_use_id", "content", "cache_control")
TOOL = {"name", "description", "input_schema", "strict", "cache_control", "type"}


class Beyond(Exception):  # noqa: N818
    """OpenAI's shape has no words for it."""


def blocks_of(content: Any) -> list[Json]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def only(block: Json, *fields: str) -> None:
    strange = {key for key, value in block.items() if value is not None} - {"type", *fields}
    if strange:
        raise Beyond(f"{block.get('type')}.{sorted(strange)}")


# --- from Anthropic's words to OpenAI's ---------------------------------------------------------


def part(block: Json) -> Json:
    kind, source = block["type"], block.get("source")
    source = source if isinstance(source, dict) else {}
    mark = {"cache_control": block["cache_control"]} if block.get("cache_control") else {}
    data = f"data:{source.get('media_type')};base64,{source.get('data')}"
    if kind == "text":
        only(block, "text", "cache_control")
        return {"type": "text", "text": block["text"], **mark}
    if kind == "image" and source.get("type") in ("base64", "url"):
        only(block, "source", "cache_control")
        url = source.get("url") or data
        return {"type": "image_url", "image_url": {"url": url}, **mark}
    if kind == "document" and source.get("type") in ("base64", "url", "file"):
        only(block, "source", "cache_control", "title", "context", "citations")
        name = {"base64": "file_data", "url": "file_url", "file": "file_id"}[source["type"]]
        file = {name: source.get("url") or source.get("file_id") or data}
        file |= {k: block[k] for k in ("title", "context", "citations") if block.get(k)}
        return {"type": "file", "file": file, **mark}
    if kind == "document" and source.get("type") == "text":
        only(block, "source", "cache_control", "title", "context", "citations")
        data = base64.b64encode(source["data"].encode()).decode()
        file = {"file_data": f"data:text/plain;base64,{data}"}
        file |= {k: block[k] for k in ("title", "context", "citations") if block.get(k)}
        return {"type": "file", "file": file, **mark}
    raise Beyond(f"{kind} {source.get('type')}")


def user(content: Any) -> Iterator[Json]:
    parts: list[Json] = []
    for block in blocks_of(content):
        if block["type"] != "tool_result":
            parts.append(part(block))
            continue
        only({**block, "is_error": block.get("is_error") or None}, *RESULT)
        if parts:
            yield {"role": "user", "content": parts}
            parts = []
        given = block.get("content") or ""
        result = {"role": "tool", "tool_call_id": block["tool_use_id"]}
        if block.get("cache_control"):
            result["cache_control"] = block["cache_control"]
        yield {
            **result, "content": given if isinstance(given, str) else [part(b) for b in given]
        }  # fmt: skip
    if parts:
        yield {"role": "user", "content": parts}


def assistant(content: Any) -> Json:
    text, calls, details = "", [], []
    for block in blocks_of(content):
        if block["type"] == "text":
            only(block, "text")
            if calls:
                raise Beyond("text behind a call")
            text += block["text"]
        elif block["type"] == "tool_use":
            only(block, "id", "name", "input", "caller")
            function = {"name": block["name"], "arguments": json.dumps(block["input"])}
            calls.append({"id": block["id"], "type": "function", "function": function})
        elif block["type"] in ("thinking", "redacted_thinking"):
            places = {"after_text": len(text), "after_tools": len(calls)}
            details.append({**block, **{k: v for k, v in places.items() if v}})
        else:
            raise Beyond(block["type"])
    message: Json = {"role": "assistant", "content": text}
    for name, value in (("tool_calls", calls), ("reasoning_details", details)):
        if value:
            message[name] = value
    return message


def tool(given: Json) -> Json:
    if given.get("type") not in (None, "custom") or given.keys() - TOOL:
        raise Beyond(f"tool {given.get('type')} {sorted(given.keys() - TOOL)}")
    names = {"name": "name", "description": "description", "strict": "strict"}
    function = {ours: given[theirs] for ours, theirs in names.items() if theirs in given}
    made: Json = {"type": "function", "function": {**function, "parameters": given["input_schema"]}}
    return {**made, **{k: given[k] for k in ("cache_control",) if given.get(k)}}


def choice(given: Json) -> Json:
    kind = given["type"]
    word: Any = {"any": "required"}.get(kind, kind)
    if kind == "tool":
        word = {"type": "function", "function": {"name": given["name"]}}
    alone = {"parallel_tool_calls": False} if given.get("disable_parallel_tool_use") else {}
    return {"tool_choice": word, **alone}


def openai(body: Json) -> Json:
    """The request in the shape of a chat completion."""
    if body.keys() - TOP:
        raise Beyond(str(sorted(body.keys() - TOP)))
    if not 0 <= body.get("top_p", 1) <= 1:
        raise Beyond("top_p below 0")
    messages: list[Json] = []
    if body.get("system"):
        messages.append({"role": "system", "content": [part(b) for b in blocks_of(body["system"])]})
    for message in body["messages"]:
        if message["role"] == "assistant":
            messages.append(assistant(message["content"]))
        elif message["role"] == "user":
            messages += user(message["content"])
        else:
            parts = [part(block) for block in blocks_of(message["content"])]
            messages.append({"role": "system", "content": parts})
    made: Json = {"messages": messages}
    same = ("max_tokens", "temperature", "top_p", "top_k", "stream", "metadata", "service_tier")
    made |= {name: body[name] for name in same if body.get(name) is not None}
    if body.get("stop_sequences"):
        made["stop"] = body["stop_sequences"]
    if body.get("tools"):
        made["tools"] = [tool(one) for one in body["tools"]]
    if body.get("tool_choice"):
        made |= choice(body["tool_choice"])
    if body.get("thinking"):
        made["thinking"] = body["thinking"]
    output = body.get("output_config") or {}
    only(output, "effort", "format")
    if output.get("effort"):
        if not body.get("thinking"):
            raise Beyond("effort without thinking")
        made["reasoning_effort"] = output["effort"]
    if output.get("format"):
        schema = {"name": "answer", "schema": output["format"]["schema"]}
        made["response_format"] = {"type": "json_schema", "json_schema": schema}
    return made


# --- what the request means, however it is written ----------------------------------------------


def meaning(body: Json) -> Json:
    turns: list[Json] = []
    for message in body["messages"]:
        content = [plain(block) for block in blocks_of(message["content"])]
        content = joined([block for block in content if block.get("text", "x").strip()])
        if turns and turns[-1]["role"] == message["role"]:
            turns[-1]["content"] += content
        elif content:
            turns.append({"role": message["role"], "content": content})
    made = {key: value for key, value in body.items() if value not in (None, [], {}, "", False)}
    made.pop("anthropic_version", None)
    made["messages"] = turns
    if body.get("system"):
        made["system"] = [plain(block) for block in blocks_of(body["system"])]
    if body.get("tools"):
        made["tools"] = [
            {k: v for k, v in one.items() if v and (k, v) != ("type", "custom")}
            for one in body["tools"]
        ]
    chosen = {key: value for key, value in (body.get("tool_choice") or {}).items() if value}
    if body.get("tools") and chosen:
        made["tool_choice"] = chosen
    else:
        made.pop("tool_choice", None)
    return made


def plain(block: Json) -> Json:
    made = {key: value for key, value in block.items() if value is not None and key != "caller"}
    if made["type"] == "tool_result":
        content = [plain(one) for one in blocks_of(made.pop("content", ""))]
        content = [one for one in content if one.get("text", "x").strip()]
        if not made.get("is_error"):
            made.pop("is_error", None)
        return {**made, **({"content": content} if content else {})}
    return made


def joined(blocks: list[Json]) -> list[Json]:
    """An assistant's neighbouring texts are one text."""
    made: list[Json] = []
    for block in blocks:
        if block.keys() == {"type", "text"} and made and made[-1].keys() == {"type", "text"}:
            made[-1]["text"] += block["text"]
        else:
            made.append({**block})
    return made


def test_recorded_requests_mean_the_same_once_encoded(
    recordings: Callable[[str], list[Record]], capsys: pytest.CaptureFixture[str]
) -> None:
    beyond: Counter[str] = Counter()
    seen = 0
    for record in recordings("messages"):
        body = record["request"]["body"]
        if record["response"]["status"] != 200:
            continue
        model = body.get("model") or "claude-sonnet-4-5"
        try:
            ours = openai(body)
        except Beyond as why:
            beyond[str(why)] += 1
            continue
        arrived = sent(ours, model)
        assert meaning(arrived) == meaning({**body, "model": model}), record["id"]
        seen += 1
    with capsys.disabled():
        print(f"\n{seen} recorded requests; beyond OpenAI's shape: {dict(beyond)}")
    assert seen > 200
