"""What a call has used in the end, and what that costs."""

from __future__ import annotations

from collections.abc import Callable

from callgate.core.price import Price
from callgate.core.pricing import charged, total_cost
from callgate.core.target import Target
from callgate.core.usage import total
from callgate.engine.call import Call


def charge(call: Call, prices: Callable[[Target], Price | None]) -> None:
    """Fill in a call's cost (US dollars) and, where no answer told of its own, its usage.

    What was given up is paid for as well. `prices` gives a target's price, None where none is
    known.
    """
    if call.given_up:
        _add_given_up(call, prices)
    parts = call.parts
    if parts:
        if call.usage is None or call.error is not None:
            call.usage = parts[0][1] if len(parts) == 1 else total(used for _, used in parts)
        call.cost_usd = total_cost(parts, prices)
    elif call.usage is not None and call.target is not None:
        call.cost_usd = charged(call.target, call.usage, prices(call.target))


def _add_given_up(call: Call, prices: Callable[[Target], Price | None]) -> None:
    """Add what was used by attempts that were given up.

    Where the answer's price is known, those without one are left out: the cost would be unknown.
    """
    if not call.parts and call.usage is not None and call.target is not None:
        call.parts.append((call.target, call.usage))
    known = call.error is None and total_cost(call.parts, prices) is not None
    for attempt, target, usage in call.given_up:
        attempt.usage = usage
        if not known or prices(target) is not None:
            call.parts.append((target, usage))
