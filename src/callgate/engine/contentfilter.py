"""Answers that a provider's content filter withheld, for callers who want another model's then.

Some providers tell of it by an error, others by an answer that ends with `content_filter`; where
nothing of that has been delivered, `fallback_config.on_content_filter` makes it the same.
"""

from __future__ import annotations

from collections.abc import Sequence

from callgate.core.chat import Usage
from callgate.core.request import ChatRequest
from callgate.core.response import ChatResponse
from callgate.core.target import Target
from callgate.engine.attempt import fail
from callgate.engine.call import Call
from callgate.engine.candidates import Candidate
from callgate.errors import GatewayError

FILTERED = "content_filter"
"""The finish reason of such an answer."""


def leaves(candidates: Sequence[Candidate], target: Target, request: ChatRequest) -> bool:
    """Whether a withheld answer of the target is left for a model that is still to be asked.

    The last one's is given to the caller as it came.
    """
    config = request.body.fallback_config
    return (
        config is not None
        and config.on_content_filter is True
        and target.model.name != candidates[-1].model.name
    )


def check(call: Call, target: Target, answer: ChatResponse) -> None:
    """Raise GatewayError `content_filtered` for a whole answer of which all was withheld."""
    if any(choice.get("finish_reason") != FILTERED for choice in answer.choices):
        return
    error = filtered(target)
    attempt = call.last_at(target)
    fail(attempt, error)
    attempt.usage = answer.usage
    note_used(call, target, answer.usage)
    raise error


def note_used(call: Call, target: Target, usage: Usage | None) -> None:
    """Count what an answer used that the caller does not get: it is paid for all the same."""
    if usage is not None:
        call.parts.append((target, usage))


def filtered(target: Target) -> GatewayError:
    """The error that stands for such an answer."""
    return GatewayError(
        "content_filtered", f"The provider's content filter withheld {target.model.name!r}'s answer"
    )
