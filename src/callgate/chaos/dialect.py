"""What the chaos upstream needs of a dialect: to read a request, and the words to answer in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple, Protocol

from callgate.chaos.answer import Answer, Ask
from callgate.chaos.request import Request

Json = dict[str, Any]
Failure = Literal[
    "bad_request",
    "not_found",
    "rate_limited",
    "server_error",
    "unavailable",
    "context",
    "prefill",
]


class Reply(NamedTuple):
    """A whole response; `body` becomes JSON."""

    status: int
    body: Json
    headers: tuple[tuple[str, str], ...] = ()


class Row(NamedTuple):
    """A failure's status, its type in the dialect's words, and what is said of it."""

    status: int
    type: str
    message: str


class Dialect(Protocol):
    """How one provider speaks; has no state.

    `id_header` is where it puts its request id; `stream_type` the content type of its streams;
    `failures` what it says of each failure. A stream is `opening`, a `word` for each piece,
    `closing`, and `mark`, which says no more than that the stream is over (empty where the dialect
    has no such thing).
    """

    name: str
    id_header: str
    stream_type: str
    failures: Mapping[Failure, Row]

    def ask(self, request: Request) -> Ask | None:
        """What the request asks, None where its path is not of this dialect.

        Raises ValueError with what is wrong where it is but makes no sense.
        """
        ...

    def whole(self, answer: Answer) -> Json:
        """The answer in one piece."""
        ...

    def opening(self, answer: Answer) -> Sequence[bytes]: ...

    def word(self, answer: Answer, text: str) -> bytes: ...

    def closing(self, answer: Answer) -> Sequence[bytes]: ...

    def mark(self, answer: Answer) -> Sequence[bytes]: ...

    def fail(self, row: Row) -> Reply:
        """A failure in the dialect's own shape."""
        ...

    def failing(self) -> bytes:
        """An event that tells, within a stream, that the answer has failed."""
        ...

    def garbage(self) -> bytes:
        """An event that is properly framed and makes no sense."""
        ...

    def filtered(self, answer: Answer) -> Reply | Sequence[bytes]:
        """The refusal of a content filter: a response, or the events of a stream."""
        ...

    def models(self, names: Sequence[str], request: Request) -> Json | None:
        """The list of models, None where the path is not that of this dialect's list."""
        ...


def told(dialect: Dialect, failure: Failure, message: str = "") -> Reply:
    """A failure in the dialect's own shape, with its usual words or with others."""
    row = dialect.failures[failure]
    return dialect.fail(row._replace(message=message) if message else row)
