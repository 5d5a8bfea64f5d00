"""What a capture holds: one request with all the bytes that came and went, secrets blotted out."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import msgspec
from msgspec import Struct

from callgate.core.allowance import Allowance
from callgate.core.models import Absent
from callgate.core.secret import Secret
from callgate.errors import GatewayError

Mode = Literal["none", "errors", "all"]
KeyMode = Literal["none", "errors", "all", "never"]

FORMAT = 1
HEADER = b"x-callgate-capture"
"""By which a caller has one request captured; its value is `full`."""


class Piece(NamedTuple):
    """Bytes as they came or went, and when: microseconds since the request arrived."""

    at_us: int
    data: bytes


class Failure(Struct, kw_only=True, omit_defaults=True):
    """A `GatewayError` as it may be kept and raised again."""

    type: str
    message: str
    param: str | None = None
    errors: tuple[str, ...] = ()
    cause: str | None = None
    fix: str | None = None
    retry_after: float | None = None
    detail: str | None = None

    @classmethod
    def of(cls, error: GatewayError) -> Failure:
        """The failure that this error tells of."""
        return cls(
            type=error.kind.type,
            message=error.message,
            param=error.param,
            errors=error.errors,
            cause=error.cause,
            fix=error.fix,
            retry_after=error.retry_after,
            detail=error.detail,
        )

    def error(self) -> GatewayError:
        """The error once more."""
        rest = msgspec.structs.asdict(self)
        return GatewayError(rest.pop("type"), rest.pop("message"), **rest)


class Exchange(Struct, kw_only=True):
    """What one attempt sent to a provider, credentials aside, and what came back.

    `status` 0: no response came. `ended`: the body came to its end. `error`: what the connection
    came to, if not that. `abandoned`: the request was sent whole, and no response awaited any more.
    """

    method: str
    url: str
    headers: list[tuple[str, str]]
    body: bytes
    started_us: int
    status: int = 0
    answer_headers: dict[str, str] = {}
    pieces: list[Piece] = []
    ended: bool = False
    error: Failure | None = None
    abandoned: bool = False


class Caller(Struct, kw_only=True):
    """What of the caller's key an answer depends on; `of_account` is its account's allowance."""

    id: str
    account: str
    models: tuple[str, ...] | None = None
    limits: dict[str, int] = {}
    allowance: Allowance | None = None
    of_account: Allowance | None = None


class Window(NamedTuple):
    """What an account's window said to a request for a model."""

    model: str
    admitted: bool
    limit: int
    remaining: int
    reset: float
    exact: bool = True


class Stood(NamedTuple):
    """How a counter stood; see `core.limits.Level`."""

    opened: int = 0
    used: int = 0
    birth: int = 0


class Drawn(NamedTuple):
    """What came of a reservation of a request with its tokens and price: the `names` of the
    counters, the model's first, and the grant over them.
    """

    names: tuple[str, ...]
    refused: int | None
    levels: tuple[Stood, ...]
    now: int
    exact: bool = True


class Captured(Struct, kw_only=True):
    """One request. `record` is its record and `settings` the gateway's, as JSON.

    - `models`: those that could have answered, as JSON. If one that was asked for is not served,
      `names` are all names that are, and `absent` is what is known of that one.
    - `out`: deployments that were skipped, and whether because they had asked for a rest.
    - `cut`: there were too many bytes to keep all of them.
    - `unread`: why the body of the request could not be read.
    - `gateway` is Callgate's version, `machine` the host's name.
    """

    format: int = FORMAT
    gateway: str
    machine: str
    request_id: str
    arrived: float
    method: str
    path: str
    caller: Caller
    headers: list[tuple[str, str]]
    body: bytes
    status: int
    answer_headers: list[tuple[str, str]]
    pieces: list[Piece]
    ended: bool
    cut: bool
    exchanges: list[Exchange]
    windows: list[Window]
    out: list[tuple[str, bool]]
    models: list[bytes]
    names: list[str]
    absent: list[Absent]
    settings: bytes
    record: bytes
    draws: list[Drawn] = []
    unread: Failure | None = None

    @property
    def answer(self) -> bytes:
        """The body of the response, as far as it was sent."""
        return b"".join([piece.data for piece in self.pieces])


def chosen(default: Mode, key: KeyMode | None, *, asked: bool) -> Mode:
    """What is to be captured: `asked` says that the request's header wants it and may.

    A key that forbids it has the last word; then come the request, the key, the configuration.
    """
    if key == "never":
        return "none"
    return "all" if asked else key or default


def encode_hook(value: Any) -> Any:
    """For msgspec: how a model is written, whose secrets have been blotted out."""
    if isinstance(value, Secret):
        return value.reveal()
    raise NotImplementedError(f"{type(value).__name__} is not kept")


def decode_hook(kind: type, value: Any) -> Any:
    """For msgspec: the counterpart of `encode_hook`."""
    if kind is Secret:
        return Secret(value)
    raise NotImplementedError(f"{kind.__name__} is not kept")
