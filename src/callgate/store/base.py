"""What the rooms above ask of a store: whole operations, so that each back-end makes them atomic.

`Keys` and `RequestLog` block and are called from threads or from processes that serve nobody;
`Counters` is awaited in the hot path. `tests/store/conformance` defines each for every back-end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from typing import NamedTuple, Protocol

from msgspec import Struct

from callgate.core.allowance import Allowance
from callgate.core.captured import KeyMode
from callgate.core.entry import Entry
from callgate.core.limits import Draw, Level, Period
from callgate.core.override import Kind, Override
from callgate.core.quota import Correction, Grant, Quota
from callgate.core.record import Record


class StoreError(Exception):
    """A store cannot be opened or does not answer.

    The message is for the operator: it names the setting and what to do, and holds no secret.
    """


class StoreAwayError(StoreError):
    """The store's server cannot be reached at the moment, or its file cannot be opened."""


class StoreUnfitError(StoreError):
    """The store is a standby or has a newer schema; processes that already use it keep running."""


class Key(Struct, frozen=True, kw_only=True):
    """A caller's key as stored: never the key itself. Times are Unix milliseconds.

    `digest` is the SHA-256 of the whole key; `hint` its last four characters, for people;
    `models` lists what it may use (None: everything); `limits` overrides a model's `rate_limit`;
    `allowance` are limits of its own on tokens and money;
    `capture` says whether payloads are kept, in place of the configuration (None: as that says).
    `revoked` is when it begins to be refused or, if negative, minus the time at which it was
    revoked at once: that holds whatever a gateway's clock says. `unreadable` is not stored: it says
    what this version of Callgate does not understand, because a newer one wrote it. Such a key is
    refused, since what it may do is unknown, and its other changeable fields are not filled in.
    """

    id: str
    digest: bytes
    hint: str
    name: str
    account: str
    region: str
    created: int
    expires: int | None = None
    revoked: int | None = None
    models: tuple[str, ...] | None = None
    limits: Mapping[str, int] = {}
    capture: KeyMode | None = None
    allowance: Allowance | None = None
    unreadable: str = ""

    def dead_at(self) -> int | None:
        """The instant from which the key is refused, if any; negative: at any time."""
        return min(self._ends(), default=None)

    def ends(self) -> int | None:
        """When it ends, or has ended, if it does."""
        return min(map(abs, self._ends()), default=None)

    def _ends(self) -> list[int]:
        unread = -self.created if self.unreadable else None
        return [end for end in (self.expires, self.revoked, unread) if end is not None]


CHANGEABLE = ("name", "expires", "models", "limits", "capture", "allowance")
"""The fields of a key that can be changed: what it may do, not which key it is or whose."""


class Keys(Protocol):
    """Callers' keys."""

    def version(self) -> int:
        """A number that changes with every change of a key or an override; cheap to ask.

        Different histories never lead to the same number, even if a backup is restored.
        """
        ...

    def all(self) -> Sequence[Key]:
        """Every key, dead ones too, oldest first."""
        ...

    def find(self, digest: bytes) -> Key | None:
        """The key of this digest."""
        ...

    def add(self, key: Key) -> None:
        """Store a new key. Raises ValueError if its id or digest is taken."""
        ...

    def add_first(self, key: Key) -> bool:
        """Store a key if there is none yet; whether it was. Of concurrent calls one succeeds."""
        ...

    def revoke(self, key_id: str, at: int) -> bool:
        """Refuse the key from `at` on, unless it ends earlier; False if there is no such key.

        A negative `at` is minus the present time, and the key is refused at once.
        """
        ...

    def change(self, key_id: str, edit: Callable[[Key], Key]) -> Key | None:
        """Replace the key by what `edit` makes of it, atomically; None if there is no such key.

        Only `CHANGEABLE` fields are taken from it. If `edit` raises, the key stays as it was.
        Returns the key as changed. Raises StoreError if it is `unreadable`.
        """
        ...


class Overrides(Protocol):
    """Operators' settings of models and accounts. Any change also changes `Keys.version`."""

    def all(self) -> Sequence[Override]:
        """Every override, ordered by kind and name."""
        ...

    def change(
        self, kind: Kind, name: str, edit: Callable[[Sequence[Override]], str | None], at: int
    ) -> None:
        """Set the override to what `edit` returns, given all present ones, atomically.

        None removes the override. If `edit` raises, nothing changes. `at` is Unix milliseconds.
        """
        ...


class Query(Struct, frozen=True, kw_only=True):
    """Which records to list, newest first. Times are Unix milliseconds, `before` an id (cursor).

    `status` is one code (404) or a class (4 for 4xx); `failed` leaves out what went well; `since`
    is included, `until` is not.

    The remaining filters have no columns: every record that matches otherwise is read for them, and
    a store leaves out most of those that do not match, but not all. `holding` is contained in the
    record's JSON, byte for byte; `min_us` and `min_cost` (US dollars) are the least time and cost.
    Tallies ignore these.
    """

    account: str | None = None
    key_id: str | None = None
    model: str | None = None
    status: int | None = None
    error: str | None = None
    failed: bool = False
    since: int | None = None
    until: int | None = None
    before: str | None = None
    holding: bytes = b""
    min_us: int | None = None
    min_cost: float | None = None
    limit: int = 50

    def searches(self) -> bool:
        """Whether the records themselves have to be read to find those that match."""
        return bool(self.holding) or self.min_us is not None or self.min_cost is not None

    def reached_by(self, record: Record) -> bool:
        """Whether a record took and cost at least as much as asked for."""
        if self.min_us is not None and record.total_us < self.min_us:
            return False
        return self.min_cost is None or (record.cost_usd or 0.0) >= self.min_cost


class Tally(NamedTuple):
    """How many records ended with this status and this type of error."""

    status: int
    error: str | None
    calls: int


class Page(NamedTuple):
    """Some records, newest first. `cursor`, a request id: there may be more before it."""

    records: list[Record]
    cursor: str | None


USAGE_DIMENSIONS = ("account", "key_id", "model", "served", "provider")
"""What totals are kept by, besides the day. `model` is the one asked for, `served` who answered."""

USAGE_COUNTS = (
    "requests", "errors", "unpriced", "estimated", "input_tokens", "cached_tokens",
    "cache_write_tokens", "output_tokens", "reasoning_tokens",
)  # fmt: skip


class UsageQuery(Struct, frozen=True, kw_only=True):
    """Which totals to give. `by` are dimensions and `day`; both `since` and `until` are included.

    `equal` narrows to one value of a dimension. Days are those of UTC.
    """

    by: tuple[str, ...] = ()
    equal: Mapping[str, str] = {}
    since: date | None = None
    until: date | None = None


class Usage(Struct, kw_only=True, omit_defaults=True):
    """Totals of a group of requests; dimensions that were not asked for are None.

    A dimension is empty where the request had none. `unpriced` counts the requests that used tokens
    at no known price, so that `cost_usd` is too low by theirs; `estimated` those whose provider
    reported no tokens. Cached and cache-write tokens are parts of the input, reasoning of the
    output.
    """

    day: date | None = None
    account: str | None = None
    key_id: str | None = None
    model: str | None = None
    served: str | None = None
    provider: str | None = None
    requests: int
    errors: int
    unpriced: int
    estimated: int
    input_tokens: int
    cached_tokens: int
    cache_write_tokens: int
    output_tokens: int
    reasoning_tokens: int
    cost_usd: float


class RequestLog(Protocol):
    """The records of all requests. A record is kept as its JSON, which is written once."""

    def append_many(self, entries: Sequence[Entry]) -> int:
        """Keep these records; idempotent by request_id.

        Returns how many were new. Raises ValueError where one of them cannot be kept, as its id is
        none; then none of them is.
        """
        ...

    def get(self, request_id: str) -> Record | None:
        """The record of this id."""
        ...

    def find(self, query: Query) -> Iterator[Record]:
        """The records that match, newest first. Raises ValueError where `before` is no id."""
        ...

    def tally(self, query: Query) -> Sequence[Tally]:
        """All the records that match, whatever `limit` says, counted by status and error.

        Raises ValueError where `before` is no id. Bound it by `since` and `until`.
        """
        ...

    def usage(self, query: UsageQuery) -> Sequence[Usage]:
        """Totals of all records ever kept, those past retention too, ordered by `query.by`."""
        ...

    def now(self) -> int | None:
        """Unix milliseconds by the store's own clock; None where that is this machine's."""
        ...

    def delete_before(self, time: int, limit: int) -> int:
        """Delete at most `limit` records older than `time`; returns how many.

        A back-end that keeps each day (UTC) apart deletes all the days that are wholly older.
        """
        ...


class Store(NamedTuple):
    """An open store. Every operation of its parts raises StoreError while it does not answer."""

    keys: Keys
    requests: RequestLog
    overrides: Overrides
    close: Callable[[], None]


class Caution(NamedTuple):
    """Something that may silently make limits inexact, and what to do about it.

    Both texts are for the operator and hold no secret.
    """

    what: str
    fix: str


class Counters(Protocol):
    """What an account has used, in windows of 60 seconds and in days and months of UTC.

    The counter with a model's name is the window of requests to that model. `trouble` says why
    counting is not exact at the moment, None if it is; `outages` counts how often that happened.
    """

    @property
    def caution(self) -> Caution | None:
        """What may silently make counting inexact, if anything."""
        ...

    @property
    def outages(self) -> int:
        """How often the shared counters were lost since the process started."""
        ...

    @property
    def trouble(self) -> str | None:
        """Why limits are not exact at the moment, for the operator."""
        ...

    async def reserve(self, account: str, model: str, limit: int, now: float) -> Quota:
        """Take one request from the window, if it has one left. `now` is Unix seconds."""
        ...

    async def peek(self, account: str, model: str, limit: int, now: float) -> Quota:
        """The window as it stands, nothing taken; `admitted` says whether one is left."""
        ...

    async def draw(self, account: str, draws: Sequence[Draw], now: float) -> Grant:
        """Take all of these or none, atomically. Each draw names a different counter."""
        ...

    async def levels(self, account: str, draws: Sequence[Draw], now: float) -> Sequence[Level]:
        """How the counters of these draws stand, nothing taken; none of them while inexact."""
        ...

    def settle(
        self,
        account: str,
        corrections: Sequence[Correction],
        now: float,
        *,
        of: Grant | None = None,
    ) -> None:
        """Correct what was drawn, now that the real amount is known. Never waits, never raises.

        `of` is the grant, which says where the draw was counted and is to be corrected; without it,
        that is wherever counting is exact.
        """
        ...

    async def seed(
        self,
        account: str,
        name: str,
        period: Period,
        begins: int,
        amount: int,
        now: float,
        *,
        again: bool = False,
    ) -> bool:
        """Add to a calendar counter what was spent before its birth; False if it knows already.

        With `again`, a counter that knows is raised to at least the amount, which then has to be
        everything spent in the period, also while nobody drew on the counter.
        """
        ...

    async def start(self) -> None:
        """Get ready within a second or two, in the event loop that will serve. Never raises."""
        ...

    async def stop(self) -> None:
        """End what `start` has begun."""
        ...

    def retire(self) -> None:
        """Another process takes over while this one finishes what it has. Never raises."""
        ...

    def close(self) -> None:
        """Let go of files."""
        ...
