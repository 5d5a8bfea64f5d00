"""What became of one request, in the order in which a person wants to know it."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from callgate.core.record import Record

Ending = Literal["answered", "refused", "failed", "cut", "abandoned"]


class Fact(Struct, frozen=True):
    """One thing that is known, under its label."""

    label: str
    value: str


class Span(Struct, frozen=True):
    """A share of the request's time, in microseconds."""

    name: str
    us: int


class Step(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One attempt. Times are microseconds: `started_us` from the request's start, `headers_us` from
    the connection's, the others from the attempt's.

    `outcome` is status and error type; `said` the provider's words, or the gateway's where it gave
    no answer; `body` the start of a reply that made no sense; `decision` what was done next and
    `reason` why.
    """

    number: int
    target: str
    provider: str
    started_us: int
    duration_us: int
    ok: bool
    outcome: str
    status: int | None = None
    connect_us: int | None = None
    headers_us: int | None = None
    first_token_us: int | None = None
    said: str | None = None
    body: str | None = None
    provider_request_id: str | None = None
    decision: str = ""
    reason: str = ""


class Story(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What became of one request. `verdict` says it in a line and `message` in the error's words,
    of which `errors` lists all where there were several.

    `fault`, `cause`, `fix` and `retry` are None where nothing went wrong; `quotes` is what to tell
    whose support; `around` is what was going on at the time; `spans` add up to `total_us`, of which
    the first token took `first_token_us`.
    """

    request_id: str
    outcome: Ending
    verdict: str
    message: str | None = None
    errors: list[str] = []
    detail: str | None = None
    asked: list[Fact]
    steps: list[Step]
    total_us: int
    first_token_us: int | None = None
    spans: list[Span]
    fault: str | None = None
    cause: str | None = None
    fix: str | None = None
    retry: str | None = None
    quotes: list[Fact]
    around: list[Fact] = []
    usage: list[Fact]
    notes: list[str]


class ExplainedRecord(Record, kw_only=True):
    """A record with its explanation. What a request did not come to is left out."""

    explanation: Story
