"""Every fault of a provider, as callers see it through a gateway: see `faulttable`."""

from __future__ import annotations

import pytest

import faulttable
from callgate.chaos.answer import SENTENCE
from faulttable import BUDGET, Cell, Outcome

Outcomes = dict[Cell, Outcome]

_SOUND = ("ok", "prefill-refused", "wrong-usage", "no-done", "no-done-open", "500-once")
_FILTERED = "content-filter"
_CLASSES = {
    "429": "provider_rate_limited",
    "429-retry-after": "provider_rate_limited",
    "503-always": "provider_unavailable",
    "flapping": "provider_unavailable",
    "200-error": "provider_unavailable",
    "200-error-12": "provider_unavailable",
    "reset-before-headers": "upstream_cut",
    "cut-mid-answer": "upstream_cut",
    "reset-mid-answer": "upstream_cut",
    "prefill-refused after cut-mid-answer": "upstream_cut",
    "silence": "upstream_timeout",
    "slow-first-token": "upstream_timeout",
    "slow-loris": "upstream_timeout",
    "stall": "upstream_timeout",
    "context-too-long": "context_too_long",
    "content-filter": "content_filtered",
    "header-flood": "bad_upstream_reply",
}


@pytest.fixture(scope="module")
def outcomes() -> Outcomes:
    """Once more where a busy machine has made something late."""
    for _ in range(3):
        seen = faulttable.measure()
        late = any(one.wall >= BUDGET for one in seen.values())
        if not late and faulttable.table(seen) == faulttable.written():
            break
    return seen


def expected(cell: Cell) -> str | None:
    """The type of the error that the fault is to end in without a fallback."""
    if cell.fault in _SOUND or (cell.fault == "malformed-event" and cell.stream):
        return None
    if cell.fault == "cut-with-terminator":
        return "upstream_cut" if cell.stream else "bad_upstream_reply"
    return _CLASSES.get(cell.fault, "bad_upstream_reply")


def test_with_a_fallback_all_but_the_content_filter_end_in_a_whole_answer(
    outcomes: Outcomes,
) -> None:
    failed = {cell.fault for cell, one in outcomes.items() if cell.fallback and not one.whole}
    assert failed == {_FILTERED}


def test_without_one_they_end_in_a_clean_error_of_the_right_class(outcomes: Outcomes) -> None:
    for cell, outcome in outcomes.items():
        if not cell.fallback:
            kind = outcome.error["type"] if outcome.error else None
            assert (kind, outcome.whole) == (expected(cell), expected(cell) is None), cell


def test_no_part_of_an_answer_looks_whole(outcomes: Outcomes) -> None:
    for cell, outcome in outcomes.items():
        assert SENTENCE.startswith(outcome.text), cell
        assert outcome.done is (outcome.text == SENTENCE and outcome.error is None), cell


def test_all_have_their_answer_in_time(outcomes: Outcomes) -> None:
    for cell, outcome in outcomes.items():
        assert outcome.wall < BUDGET, cell


def test_no_provider_is_hammered(outcomes: Outcomes) -> None:
    for cell, outcome in outcomes.items():
        for target in {model for _, model in outcome.seen}:
            times = [moment for moment, model in outcome.seen if model == target]
            assert sum(moment < times[0] + 3 for moment in times) <= 3, cell


def test_a_sound_request_works_right_after(outcomes: Outcomes) -> None:
    assert [cell for cell, outcome in outcomes.items() if not outcome.healthy] == []


def test_the_trail_is_on_record_and_in_the_error(outcomes: Outcomes) -> None:
    for cell, outcome in outcomes.items():
        trail = outcome.record["attempts"]
        assert len(trail) == len(outcome.seen), cell
        assert all(one["decision"] and one["reason"] for one in trail), cell
        if outcome.error is not None:
            told = outcome.error["metadata"]["attempts"]
            assert [one["error"] for one in told] == [one.get("error") for one in trail], cell
            assert "127.0.0.1" not in str(told), cell


def test_the_page_tells_the_same(outcomes: Outcomes) -> None:
    table = faulttable.table(outcomes)
    print(faulttable.measured(outcomes))
    assert faulttable.written() == table, "run: python tests/faulttable.py --write"
