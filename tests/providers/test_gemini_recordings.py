"""Real traffic of Google AI and Vertex AI, read by the adapter and by an independent reader."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from callgate.core.chat import Chunk, Usage
from callgate.core.http import HttpResponse
from callgate.errors import GatewayError
from callgate.providers.registry import dialect

from .samples import Record, target_of

Bodies = list[dict[str, Any]]

GEMINI = dialect("gemini")

# What each failure is, by the words of the recording; the adapter's tables are not asked.
FAILURES = (
    (401, "", "provider_credentials"),
    (404, "", "provider_model_missing"),
    (429, "", "provider_rate_limited"),
    (500, "", "provider_unavailable"),
    (503, "", "provider_unavailable"),
    (403, "", "provider_refused"),
    (400, "API key not valid", "provider_credentials"),
    (400, "API key expired", "provider_credentials"),
    (400, "input token count", "context_too_long"),
    (400, "unexpected model name format", "provider_model_missing"),
    (400, "User location", "provider_refused"),
    (400, "", "provider_rejected"),
)
NUMBERED = {1: "STOP", 2: "MAX_TOKENS"}
FINISH = {"STOP": "stop", "MAX_TOKENS": "length", "UNEXPECTED_TOOL_CALL": "stop"}


class Reading:
    """One candidate as a plain reader of Google's documentation would read it."""

    def __init__(self) -> None:
        self.text = ""
        self.thoughts = ""
        self.calls: list[tuple[str, Any, str | None, str | None]] = []
        self.finish: Any = None
        self.media: list[str] = []

    def take(self, candidate: dict[str, Any]) -> None:
        for part in (candidate.get("content") or {}).get("parts") or []:
            if "functionCall" in part:
                call = part["functionCall"]
                given = (call["name"], call.get("args") or {}, call.get("id"))
                self.calls.append((*given, part.get("thoughtSignature")))
            elif part.get("thought"):
                self.thoughts += part.get("text", "")
            elif "inlineData" in part:
                self.media.append(part["inlineData"]["data"])
            else:
                self.text += part.get("text", "")
        self.finish = candidate.get("finishReason", self.finish)

    @property
    def reason(self) -> str | None:
        if self.finish is None:
            return None
        word = NUMBERED.get(self.finish, self.finish)
        reason = FINISH.get(word, "content_filter")
        return "tool_calls" if self.calls and reason == "stop" else reason


def wire(record: Record) -> bytes:
    body = record["response"]["body"]
    return body.encode() if isinstance(body, str) else json.dumps(body).encode()


def bodies(record: Record) -> Bodies:
    body = record["response"]["body"]
    if isinstance(body, str):
        return [json.loads(line[6:]) for line in body.splitlines() if line.startswith("data: ")]
    return body if isinstance(body, list) else [body]


def readings(record: Record) -> dict[int, Reading]:
    out: dict[int, Reading] = {}
    for body in bodies(record):
        for at, candidate in enumerate(body.get("candidates", [])):
            out.setdefault(candidate.get("index", at), Reading()).take(candidate)
    return out


def counted(record: Record) -> dict[str, int] | None:
    """The last usage that says anything; where Google leaves the prompt's out, no more is asked."""
    last = [body.get("usageMetadata") or {} for body in bodies(record)]
    said = [one for one in last if any(key.endswith("TokenCount") for key in one)]
    if not said:
        return None
    usage = said[-1]
    out = {
        "output": usage.get("candidatesTokenCount", 0) + usage.get("thoughtsTokenCount", 0),
        "reasoning": usage.get("thoughtsTokenCount", 0),
        "cached": usage.get("cachedContentTokenCount", 0),
    }
    if "promptTokenCount" in usage:
        out["input"] = usage["promptTokenCount"] + usage.get("toolUsePromptTokenCount", 0)
    if "totalTokenCount" in usage:
        out["total"] = usage["totalTokenCount"]
    return out


def check_usage(record: Record, usage: Usage | None) -> None:
    expected = counted(record)
    if expected is None:
        assert usage is None
        return
    assert usage is not None
    found = {
        "output": usage.output_tokens,
        "reasoning": (usage.output_details or {})["reasoning_tokens"],
        "cached": (usage.input_details or {})["cached_tokens"],
        "input": usage.input_tokens,
        "total": usage.total_tokens,
    }
    assert {key: found[key] for key in expected} == expected


def check_choice(found: dict[str, Any], message: dict[str, Any], expected: Reading) -> None:
    assert (message.get("content") or "") == expected.text
    assert message.get("reasoning_content", "") == expected.thoughts
    calls = message.get("tool_calls", [])
    assert [
        (call["function"]["name"], json.loads(call["function"]["arguments"])) for call in calls
    ] == [call[:2] for call in expected.calls]
    assert len({call["id"] for call in calls}) == len(calls)
    for call, (_, _, id_, sign) in zip(calls, expected.calls, strict=True):
        assert call["id"] == id_ or (id_ is None and call["id"].startswith("call_"))
        extra = call.get("extra_content", {}).get("google", {})
        assert extra.get("thought_signature") == sign
    media = [one["image_url"]["url"].partition(",")[2] for one in message.get("images", [])]
    if "audio" in message:
        media.append(message["audio"]["data"])
    assert media == expected.media
    assert found["finish_reason"] == expected.reason


def failure(record: Record) -> str:
    response = record["response"]
    text = json.dumps(response["body"])
    return next(
        kind for status, words, kind in FAILURES if status == response["status"] and words in text
    )


def whole(record: Record) -> None:
    response = record["response"]
    target = target_of("vertex" if "vertex" in record["tags"] else "gemini")
    reply = HttpResponse(response["status"], response["headers"], wire(record))
    if response["status"] >= 400:
        error = GEMINI.error(reply, target)
        assert error.kind.type == failure(record)
        return
    blocked = bodies(record)[0].get("promptFeedback", {}).get("blockReason")
    if blocked and not bodies(record)[0].get("candidates"):
        with pytest.raises(GatewayError) as caught:
            GEMINI.decode(reply, target)
        assert caught.value.kind.type == "content_filtered"
        return
    answer = GEMINI.decode(reply, target)
    expected = readings(record)
    assert [choice["index"] for choice in answer.choices] == list(expected)
    for choice in answer.choices:
        assert choice["message"]["role"] == "assistant"
        check_choice(choice, choice["message"], expected[choice["index"]])
    check_usage(record, answer.usage)
    assert answer.id == bodies(record)[0].get("responseId", "")
    assert answer.model == bodies(record)[0].get("modelVersion", "")


def pieces(data: bytes, dice: random.Random) -> Iterator[bytes]:
    at = 0
    while at < len(data):
        size = dice.choice((1, 2, 7, 40, 300, 5000))
        yield data[at : at + size]
        at += size


def joined(chunks: list[Chunk]) -> dict[int, tuple[dict[str, Any], dict[str, Any]]]:
    """The chunks put together as OpenAI's clients do it."""
    out: dict[int, tuple[dict[str, Any], dict[str, Any]]] = {}
    for chunk in chunks:
        for choice in chunk.choices:
            at = choice["index"]
            if at not in out:
                assert choice["delta"].get("role") == "assistant"
                out[at] = ({"finish_reason": None}, {})
            found, message = out[at]
            assert found["finish_reason"] is None, "nothing follows the finish reason"
            if choice["finish_reason"]:
                found["finish_reason"] = choice["finish_reason"]
            for name, value in choice["delta"].items():
                if name in ("content", "reasoning_content"):
                    message[name] = message.get(name, "") + value
                elif name == "tool_calls":
                    known = message.setdefault("tool_calls", [])
                    assert [call["index"] for call in value] == list(
                        range(len(known), len(known) + len(value))
                    )
                    known += value
                elif name in ("images", "annotations", "reasoning_details", "content_parts"):
                    message.setdefault(name, []).extend(value)
                elif name == "audio":
                    known = message.setdefault("audio", {"data": ""})
                    known["data"] += value["data"]
    return out


def streamed(record: Record, parts: Iterator[bytes]) -> None:
    target = target_of("vertex" if "vertex" in record["tags"] else "gemini")
    decoder = GEMINI.decoder(target)
    chunks: list[Chunk] = []
    for data in parts:
        chunks += decoder.feed(data)
    chunks += decoder.close()
    assert decoder.done
    assert decoder.skipped == 0
    found, expected = joined(chunks), readings(record)
    assert set(found) == set(expected)
    for at, (choice, message) in found.items():
        check_choice(choice, message, expected[at])
    if counted(record) is not None:
        assert not chunks[-1].choices
        check_usage(record, chunks[-1].usage)
    assert all(chunk.usage is None for chunk in chunks[:-1])


def test_every_recorded_answer_is_read_as_google_means_it(
    recordings: Callable[[str], list[Record]],
) -> None:
    records = recordings("generateContent")
    for record in records:
        try:
            whole(record)
        except (AssertionError, GatewayError, pytest.fail.Exception) as error:
            raise AssertionError(f"{record['id']} {record['tags']}") from error
    assert len(records) >= 200


def test_every_stream_cut_at_random_places(recordings: Callable[[str], list[Record]]) -> None:
    dice = random.Random(20)
    counts: Counter[str] = Counter()
    for record in recordings("streamGenerateContent"):
        try:
            if record["response"]["status"] >= 400:
                whole(record)
                counts["errors"] += 1
                continue
            data = wire(record)
            streamed(record, iter([data]))
            for _ in range(3):
                streamed(record, pieces(data, dice))
            counts["streams"] += 1
        except (AssertionError, GatewayError, pytest.fail.Exception) as error:
            raise AssertionError(f"{record['id']} {record['tags']}") from error
    assert counts["streams"] > 100


def test_a_stream_that_loses_its_end_is_cut(recordings: Callable[[str], list[Record]]) -> None:
    dice = random.Random(21)
    for record in recordings("streamGenerateContent"):
        if record["response"]["status"] >= 400:
            continue
        data, target = wire(record), target_of("gemini")
        last = data.rstrip().rfind(b"data: ")
        decoder = GEMINI.decoder(target)
        size = dice.randrange(1, max(last, 2))
        with pytest.raises(GatewayError) as caught:  # noqa: PT012
            decoder.feed(data[:size])
            decoder.close()
        assert caught.value.kind.type in ("upstream_cut", "bad_upstream_reply"), record["id"]
        if data[:6] == b"data: ":
            assert caught.value.kind.type == "upstream_cut", record["id"]
