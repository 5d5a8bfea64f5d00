"""Whether what came out is what was recorded, told in few words where it is not."""

from __future__ import annotations

from typing import Any

from .door import STATUS, Reply, Told
from .outcome import Choice, Outcome

_LONGEST = 160


def reply_differences(expected: Outcome, reply: Reply, told: Told, *, usage: bool) -> list[str]:
    """What is wrong with a reply. `usage` says whether the caller asked for it."""
    got = told.outcome
    if expected.errors or got.errors:
        return _of_failure(expected, reply, told)
    found = [] if told.done else ["not finished"]
    if expected.choices.keys() != got.choices.keys():
        found.append(f"choices {list(got.choices)}, not {list(expected.choices)}")
    for at in expected.choices.keys() & got.choices.keys():
        found += _of_choice(expected.choices[at], got.choices[at])
    if usage:
        found += _of_tokens(expected.tokens, got.tokens)
    return found


def record_differences(
    expected: Outcome, reply: Reply, told: Told, record: dict[str, Any], upstream_id: str | None
) -> list[str]:
    """What is wrong with the record of the same request."""
    found = []
    attempts = record.get("attempts", [])
    if not attempts:
        return ["record: no attempt"]
    last = attempts[-1]
    if upstream_id and last.get("provider_request_id") != upstream_id:
        found.append(f"record: provider's id {last.get('provider_request_id')}")
    if record.get("status") != reply.status and not told.outcome.errors:
        found.append(f"record: status {record.get('status')}")
    (error,) = told.outcome.errors or (None,)
    if record.get("error") != error or last.get("error") != error:
        found.append(f"record: error {record.get('error')}, the caller was told {error}")
    if error:
        return found
    finishes = {one.finish for one in expected.choices.values()}
    if record.get("finish_reason") not in finishes:
        found.append(f"record: finish_reason {record.get('finish_reason')}")
    usage = record.get("usage") or {}
    into, out = usage.get("input_details") or {}, usage.get("output_details") or {}
    kept = {
        "input": usage.get("input_tokens"),
        "output": usage.get("output_tokens"),
        "total": usage.get("total_tokens"),
        "cached": into.get("cached_tokens"),
        "written": into.get("cache_write_tokens"),
        "reasoning": out.get("reasoning_tokens"),
    }
    estimated = not usage or usage.get("estimated", False)
    return found + [
        f"record: {one}" for one in _of_tokens(expected.tokens, None if estimated else kept)
    ]


def _of_failure(expected: Outcome, reply: Reply, told: Told) -> list[str]:
    got = told.outcome
    found = []
    wanted = "|".join(sorted(expected.errors)) or "an answer"
    if not got.errors:
        return [f"an answer, not {wanted}"]
    (kind,) = got.errors
    if kind not in expected.errors:
        message = told.error["message"] if told.error else ""
        found.append(f"{kind}, not {wanted}: {message[:_LONGEST]}")
    if reply.status not in (200, STATUS.get(kind)):
        found.append(f"{kind} with status {reply.status}")
    if told.done:
        found.append("[DONE] after a failure")
    for at, choice in got.choices.items():
        whole = expected.choices.get(at, Choice())
        if not whole.text.startswith(choice.text):
            found.append("text before the failure that was not said")
        if choice.finish and choice.finish != whole.finish:
            found.append("a finish before the failure that was not said")
    return found


def _of_choice(expected: Choice, got: Choice) -> list[str]:
    found = []
    for name, theirs, ours in zip(Choice._fields, expected, got, strict=True):
        if theirs != ours:
            found.append(f"{name}: {_short(ours, theirs)}, not {_short(theirs, ours)}")
    return found


def _of_tokens(expected: dict[str, int] | None, got: dict[str, Any] | None) -> list[str]:
    """What the provider does not tell may be anything where it is 0 or absent."""
    if expected is None or got is None:
        return [] if expected == got else [f"usage {got}, not {expected}"]
    return [
        f"usage: {name} {got.get(name)}, not {count}"
        for name, count in expected.items()
        if (got.get(name) or 0) != count
    ]


def _short(value: object, other: object) -> str:
    """The value from where it begins to differ."""
    mine, theirs = repr(value), repr(other)
    at = next((i for i, (a, b) in enumerate(zip(mine, theirs, strict=False)) if a != b), 0)
    return ("…" if at > 20 else "") + mine[max(at - 20, 0) :][:_LONGEST]
