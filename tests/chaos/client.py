"""A client of the chaos upstream on a bare socket, which tells how a response ended."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from typing import Any, NamedTuple

from callgate.core.eventstream import Parser as Frames
from callgate.core.sse import Parser as Events
from patience import PATIENCE

Json = dict[str, Any]
QUESTION = [("user", "Tell me of the sea.")]
SILENCES = (0.2, 1.0, 5.0)
"""What is counted as silence; longer ones where a busy machine may have been silent."""


class Speech(NamedTuple):
    """A dialect's requests and answers, as far as the tests look at them."""

    path: Callable[[str, bool], str]
    body: Callable[[str, bool, list[tuple[str, str]]], Json]
    text: Callable[[Json], str]
    word: Callable[[Json], str]
    finish: Callable[[Json], Any]
    mark: str = ""


class Result(NamedTuple):
    """What came back. `ended` is whole, closed, reset or silent; `body` is without its framing."""

    status: int
    headers: dict[str, str]
    body: bytes
    ended: str


def plain(model: str, stream: bool, talk: list[tuple[str, str]]) -> Json:
    messages = [{"role": role, "content": text} for role, text in talk]
    return {"model": model, "messages": messages, "max_tokens": 100, "stream": stream}


def converse(_model: str, _stream: bool, talk: list[tuple[str, str]]) -> Json:
    return {"messages": [{"role": role, "content": [{"text": text}]} for role, text in talk]}


def contents(_model: str, _stream: bool, talk: list[tuple[str, str]]) -> Json:
    names = {"assistant": "model"}
    return {
        "contents": [
            {"role": names.get(role, role), "parts": [{"text": text}]} for role, text in talk
        ]
    }


def gemini_text(body: Json) -> str:
    return "".join(part["text"] for part in body["candidates"][0]["content"]["parts"])


def delta(*path: str) -> Callable[[Json], str]:
    def read(event: Json) -> str:
        value: Any = event
        for name in path:
            value = value.get(name, {}) if isinstance(value, dict) else {}
        return value if isinstance(value, str) else ""

    return read


SPEECHES = {
    "openai": Speech(
        path=lambda _model, _stream: "/v1/chat/completions",
        body=plain,
        text=lambda body: str(body["choices"][0]["message"]["content"]),
        word=lambda event: "".join(c["delta"].get("content", "") for c in event.get("choices", ())),
        finish=lambda event: any(c["finish_reason"] for c in event.get("choices", ())),
        mark="[DONE]",
    ),
    "anthropic": Speech(
        path=lambda _model, _stream: "/v1/messages",
        body=plain,
        text=lambda body: str(body["content"][0]["text"]),
        word=delta("delta", "text"),
        finish=lambda event: event.get("stop_reason") or event.get("delta", {}).get("stop_reason"),
        mark="message_stop",
    ),
    "gemini": Speech(
        path=lambda model, stream: (
            f"/v1beta/models/{model}:streamGenerateContent?alt=sse"
            if stream
            else f"/v1beta/models/{model}:generateContent"
        ),
        body=contents,
        text=gemini_text,
        word=lambda event: gemini_text(event) if "candidates" in event else "",
        finish=lambda event: "candidates" in event and event["candidates"][0].get("finishReason"),
    ),
    "bedrock": Speech(
        path=lambda model, stream: f"/model/{model}/converse{'-stream' if stream else ''}",
        body=converse,
        text=lambda body: str(body["output"]["message"]["content"][0]["text"]),
        word=delta("delta", "text"),
        finish=lambda event: event.get("stopReason"),
        mark="metadata",
    ),
    "cohere": Speech(
        path=lambda _model, _stream: "/v2/chat",
        body=plain,
        text=lambda body: str(body["message"]["content"][0]["text"]),
        word=lambda event: (
            delta("delta", "message", "content", "text")(event)
            if event.get("type") == "content-delta"
            else ""
        ),
        finish=lambda event: event.get("delta", {}).get("finish_reason") == "COMPLETE",
    ),
}


def ask(
    port: int,
    dialect: str,
    model: str,
    *,
    stream: bool,
    talk: list[tuple[str, str]] = QUESTION,
    silence: float = PATIENCE,
    headers: str = "",
) -> Result:
    """Ask one question on a connection of its own; the headers are whole lines.

    A pause of `silence` seconds counts as silence.
    """
    speech = SPEECHES[dialect]
    body = json.dumps(speech.body(model, stream, talk)).encode()
    head = f"POST {speech.path(model, stream)} HTTP/1.1\r\nhost: x\r\n{headers}"
    with socket.create_connection(("127.0.0.1", port), 5) as connection:
        connection.sendall(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)
        return read(connection, silence)


def get(port: int, path: str, headers: str = "") -> Result:
    with socket.create_connection(("127.0.0.1", port), 5) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nhost: x\r\n{headers}\r\n".encode())
        return read(connection, PATIENCE)


def read(connection: socket.socket, silence: float) -> Result:
    """One response, or what there is of it."""
    connection.settimeout(silence)
    data, ended = b"", ""
    while not ended:
        try:
            more = connection.recv(1 << 16)
        except TimeoutError:
            ended = "silent"
            break
        except ConnectionResetError:
            ended = "reset"
            break
        data += more
        if not more:
            ended = "closed"
        if whole(data):
            ended = "whole"
    return parsed(data, ended)


def whole(data: bytes) -> bool:
    head, _, body = data.partition(b"\r\n\r\n")
    if b"chunked" in head[:1000] or b"chunked" in head[-1000:]:
        return body.endswith(b"0\r\n\r\n")
    _, found, length = head.partition(b"content-length: ")
    return bool(found) and len(body) >= int(length.split(b"\r\n")[0])


def parsed(data: bytes, ended: str) -> Result:
    if not data:
        return Result(0, {}, b"", ended)
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    if "transfer-encoding" in headers:
        chunks, body = body, b""
        while chunks and not chunks.startswith(b"0\r\n"):
            size, _, rest = chunks.partition(b"\r\n")
            body += rest[: int(size, 16)]
            chunks = rest[int(size, 16) + 2 :]
    return Result(int(first.split()[1]), headers, body, ended)


def events(result: Result) -> list[tuple[str, bytes]]:
    """The events of a streamed answer, each with its name."""
    if "amazon" not in result.headers["content-type"]:
        return list(Events().feed(result.body))
    messages, failure = Frames().feed(result.body)
    assert failure is None
    return [
        (str(m.headers.get(":event-type") or m.headers[":exception-type"]), m.payload)
        for m in messages
    ]


def told(dialect: str, result: Result, *, stream: bool) -> str:
    """What an answer amounts to: answer, unmarked, part, error, garbage or nothing."""
    if not result.body:
        return "nothing"
    speech = SPEECHES[dialect]
    if not stream or "json" in result.headers["content-type"]:
        try:
            body = json.loads(result.body)
        except ValueError:
            return "garbage"
        return "error" if is_error(body) else "answer"
    finished = marked = False
    for name, data in events(result):
        try:
            event = json.loads(data)
        except ValueError:
            marked |= data.decode() == speech.mark
            continue
        if is_error(event) or name.endswith("Exception"):
            return "error"
        finished |= bool(speech.finish(event))
        marked |= bool(speech.mark) and name == speech.mark
    if not finished:
        return "part"
    return "answer" if marked or not speech.mark else "unmarked"


def is_error(body: Json) -> bool:
    inner = body.get("delta")
    failed = isinstance(inner, dict) and "error" in inner
    return failed or bool(body.get("error")) or isinstance(body.get("message"), str)


def text(dialect: str, result: Result, *, stream: bool) -> str:
    """The words of an answer or of a part of one."""
    speech = SPEECHES[dialect]
    if not stream:
        return speech.text(json.loads(result.body))
    said = []
    for _, data in events(result):
        try:
            said.append(speech.word(json.loads(data)))
        except ValueError:
            continue
    return "".join(said)


def skipped(result: Result) -> int:
    """How many events of a stream are no JSON."""
    count = 0
    for _, data in events(result):
        try:
            json.loads(data)
        except ValueError:
            count += data != b"[DONE]"
    return count
