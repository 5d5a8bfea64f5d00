"""The judge of records finds what is missing, there twice, or not as the callers saw it."""

from __future__ import annotations

from typing import Any

import pytest
from bench.endure.ledger import balanced

from callgate.store.base import Usage

from .answers import answered

NOTHING = dict.fromkeys(
    ("unpriced", "estimated", "input_tokens", "cached_tokens", "cache_write_tokens"), 0
) | dict.fromkeys(("output_tokens", "reasoning_tokens"), 0)
ANSWERS = [answered(), answered(request_id="r2", own_id="o2", status=429, failed=True)]
RECORDS = [("r1", "o1", 200, False), ("r2", "o2", 429, True)]


def total(requests: int, errors: int) -> list[Usage]:
    numbers: dict[str, Any] = {**NOTHING, "requests": requests, "errors": errors}
    return [Usage(account="acme", model="m", cost_usd=0.0, **numbers)]


def test_what_agrees_is_sound() -> None:
    assert balanced(ANSWERS, RECORDS, total(2, 1)) == (2, 2, [])


@pytest.mark.parametrize(
    ("records", "totals", "fault"),
    [
        (RECORDS[:1], total(1, 0), "1 answers have no record"),
        ([*RECORDS, ("r3", "o2", 200, False)], total(3, 1), "1 records are there twice"),
        ([RECORDS[0], ("r2", "o2", 200, False)], total(2, 1), "1 records differ"),
        (RECORDS, total(3, 1), "the totals count 3 requests"),
        (RECORDS, total(2, 0), "callers saw (2, 1)"),
    ],
)
def test_what_does_not_is_found(
    records: list[tuple[str, str, int, bool]], totals: list[Usage], fault: str
) -> None:
    assert any(fault in one for one in balanced(ANSWERS, records, totals).faults)


def test_a_record_more_is_sound_where_answers_were_cut_off() -> None:
    assert not balanced(ANSWERS[:1], RECORDS, total(2, 1), whole=False).faults
    assert balanced(ANSWERS[:1], RECORDS, total(2, 1)).faults
