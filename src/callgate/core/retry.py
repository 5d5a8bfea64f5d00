"""What to do after an attempt has failed: try again, go elsewhere, or stop.

Which failures may be followed by what is a table, `REACTIONS`; the waits are exponential with full
jitter (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/), or what the
provider asked for by `Retry-After`.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal, NamedTuple

from msgspec import Struct

from callgate.errors import GatewayError

Action = Literal["retry", "next", "stop"]


class Reaction(NamedTuple):
    """What may follow a failure. `again`: retry the same target; `elsewhere`: try another one.

    `last`: the same target only where no other remains. `blames`: it is the provider that failed,
    so its circuit breaker counts it. `refuses`: it turns away whoever comes with these credentials
    for this model, so others are asked first for a while.
    """

    again: bool
    elsewhere: bool
    last: bool = False
    blames: bool = False
    refuses: bool = False


REACTIONS: Mapping[str, Reaction] = MappingProxyType(
    {
        "provider_unavailable": Reaction(again=True, elsewhere=True, blames=True),
        "upstream_unreachable": Reaction(again=True, elsewhere=True, blames=True),
        "upstream_cut": Reaction(again=True, elsewhere=True, blames=True),
        "bad_upstream_reply": Reaction(again=True, elsewhere=True, blames=True),
        # The same model would most likely give the same answer again, at the same price.
        "unrepairable_json": Reaction(again=False, elsewhere=True),
        # A target that was silent once is not asked again as long as there is another.
        "upstream_timeout": Reaction(again=False, elsewhere=True, blames=True),
        "provider_rate_limited": Reaction(again=True, elsewhere=True, last=True),
        "circuit_open": Reaction(again=False, elsewhere=True),
        "provider_credentials": Reaction(again=False, elsewhere=True, refuses=True),
        "provider_refused": Reaction(again=False, elsewhere=True, refuses=True),
        "provider_model_missing": Reaction(again=False, elsewhere=True, refuses=True),
        "provider_request_too_large": Reaction(again=False, elsewhere=True),
        "context_too_long": Reaction(again=False, elsewhere=True),
        "content_filtered": Reaction(again=False, elsewhere=True),
        "schema_violation": Reaction(again=False, elsewhere=True),
        "unsupported_field": Reaction(again=False, elsewhere=True),
        "rate_limited": Reaction(again=False, elsewhere=True),
        "answer_diverged": Reaction(again=False, elsewhere=True),
    }
)
"""By error type; an error that is not listed ends the request."""

_ENDS = Reaction(again=False, elsewhere=False)


class Budget(Struct, frozen=True, kw_only=True):
    """How much one request may try. Times are seconds.

    `per_target` and `attempts` count attempts at one target and in all; `seconds` is how long
    after the request's arrival a wait may still begin; `base` and `longest` bound the backoff;
    `retry_after` is the longest wait that a provider may ask for.
    """

    per_target: int = 3
    attempts: int = 8
    seconds: float = 30.0
    base: float = 0.5
    longest: float = 8.0
    retry_after: float = 10.0


class State(NamedTuple):
    """Where a request stands: attempts at this target and in all, seconds since it arrived."""

    here: int
    in_all: int
    elapsed: float


class Decision(NamedTuple):
    """What to do, after how many seconds, and why."""

    action: Action
    wait: float
    reason: str

    @property
    def pause(self) -> str:
        """The wait in words."""
        return f"{self.wait:.1f} s" if self.wait >= 0.1 else f"{self.wait * 1000:.0f} ms"


def reaction(error: GatewayError) -> Reaction:
    """What may follow this failure."""
    return REACTIONS.get(error.kind.type, _ENDS)


def decide(
    error: GatewayError, state: State, budget: Budget, *, others: bool, chance: float
) -> Decision:
    """What follows a failed attempt.

    `others` says whether another target remains; `chance` in [0, 1) is the jitter. A provider that
    names a time to wait is left for another at once; otherwise the same target is tried again
    first, because most failures of a provider are gone a moment later.
    """
    may = reaction(error)
    if not may.elsewhere:
        return Decision("stop", 0.0, "no other target would fare better")
    if state.in_all >= budget.attempts:
        return Decision("stop", 0.0, f"{state.in_all} attempts were made")
    if others and (not may.again or may.last or error.retry_after is not None):
        return Decision("next", 0.0, f"{error.kind.type} here, another target remains")
    wait = _wait(error, state.here, budget, chance)
    refusal = _why_not_again(may, state, budget, wait)
    if refusal is None:
        return Decision("retry", wait, f"{error.kind.type} may pass")
    return Decision("next" if others else "stop", 0.0, refusal)


def _wait(error: GatewayError, tries: int, budget: Budget, chance: float) -> float:
    if error.retry_after is not None:
        return error.retry_after
    return chance * min(budget.longest, budget.base * 2.0 ** min(tries - 1, 16))


def _why_not_again(may: Reaction, state: State, budget: Budget, wait: float) -> str | None:
    if not may.again:
        return "the same target would most likely fail again"
    if state.here >= budget.per_target:
        return f"{state.here} attempts were made at this target"
    if wait > budget.retry_after:
        return f"the provider asks to wait {wait:.0f} s, which is too long"
    if state.elapsed + wait > budget.seconds:
        return f"{state.elapsed:.1f} s have passed, no time is left to wait"
    return None
