"""Requests whose prompts have a given size, as each gateway wants to be asked."""

from __future__ import annotations

import json

from bench.job import Job, Mode
from bench.subject import Subject

SIZES = {1_000: "1k", 10_000: "10k", 100_000: "100k"}
CHUNKS = 100
_EXTRA_EVENTS = 3  # the finish reason, the usage and [DONE]
_WORDS = (
    "the gateway takes a request and gives it to whoever can answer it, then tells what became "
    'of it: "who asked, what was tried, and why"; a line ends here.\n'
)
_CHARACTERS = 4  # of English in a token, roughly


def text(tokens: int) -> str:
    """English of about so many tokens, with the quotes and line ends that JSON has to escape."""
    wanted = tokens * _CHARACTERS
    return (_WORDS * (wanted // len(_WORDS) + 1))[:wanted]


def request(subject: Subject, tokens: int, chunks: int = 0, pause_ms: int = 10) -> bytes:
    """An HTTP request; for a stream of so many chunks with text, where any are asked for.

    They are sent `pause_ms` apart.
    """
    streamed = {"stream": True, "stream_options": {"include_usage": True}} if chunks else {}
    body = {
        "model": "fake",
        "messages": [{"role": "user", "content": text(tokens)}],
        "max_tokens": chunks or 1000,
        "seed": pause_ms,  # as the fake provider is told of it
        **streamed,
    }
    payload = json.dumps(body).encode()
    port = subject.stream_port if chunks else subject.port
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
        f"Authorization: {subject.key}\r\n{subject.headers}Content-Type: application/json\r\n"
        f"Accept: */*\r\nUser-Agent: callgate-bench\r\nContent-Length: {len(payload)}\r\n\r\n"
    )
    return head.encode() + payload


def job(
    subject: Subject,
    mode: Mode,
    seconds: float,
    *,
    tokens: int = 1000,
    chunks: int = 0,
    connections: int = 32,
    rate: int = 0,
    warmup: float = 0.0,
) -> Job:
    """Load of such requests."""
    return Job(
        mode=mode,
        port=subject.stream_port if chunks else subject.port,
        request=request(subject, tokens, chunks),
        connections=connections,
        seconds=seconds + warmup,
        rate=rate,
        events=chunks + _EXTRA_EVENTS if chunks else 0,
        marker=subject.marker,
        warmup=warmup,
    )
