"""What callers received, held against what is on record."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from bench.endure.callers import Answer
from callgate.store.base import Usage


class Ledger(NamedTuple):
    """How many answers and records there are, and what is wrong between them."""

    answers: int
    records: int
    faults: list[str]


def balanced(
    answers: Sequence[Answer],
    records: Iterable[tuple[str, str, int, bool]],
    totals: Sequence[Usage],
    *,
    whole: bool = True,
) -> Ledger:
    """Every answer has one record, with its status; the totals are the sums of the records.

    `whole`: every request was answered, so there are no other records.
    """
    found: dict[str, tuple[str, int, bool]] = {}
    faults: list[str] = []
    own: Counter[str] = Counter()
    kept = 0
    for request_id, own_id, status, failed in records:
        kept += 1
        own[own_id] += 1
        found[request_id] = (own_id, status, failed)
    twice = [one for one, times in own.items() if times > 1]
    if kept != len(found) or twice:
        faults.append(f"{kept - len(found) + len(twice)} records are there twice: {twice[:3]}")
    missing = [one for one in answers if one.request_id not in found]
    if missing:
        faults.append(f"{len(missing)} answers have no record: {missing[:3]}")
    wrong = [
        one
        for one in answers
        if one.request_id in found and found[one.request_id] != (one.own_id, one.status, one.failed)
    ]
    if wrong:
        told = [(one, found[one.request_id]) for one in wrong[:3]]
        faults.append(f"{len(wrong)} records differ from the answers: {told}")
    if len({one.request_id for one in answers}) != len(answers):
        faults.append("two answers have one id")
    if whole and kept != len(answers):
        faults.append(f"{kept} records for {len(answers)} answers")
    summed = sum(one.requests for one in totals)
    if summed != kept:
        faults.append(f"the totals count {summed} requests, there are {kept} records")
    if whole:
        faults += _compared(answers, totals)
    return Ledger(len(answers), kept, faults)


def _compared(answers: Sequence[Answer], totals: Sequence[Usage]) -> list[str]:
    asked = Counter((one.account, one.model) for one in answers)
    failed = Counter((one.account, one.model) for one in answers if one.failed)
    told = {(one.account or "", one.model or ""): (one.requests, one.errors) for one in totals}
    seen = {pair: (count, failed[pair]) for pair, count in asked.items()}
    differing = [pair for pair in {*told, *seen} if told.get(pair) != seen.get(pair)]
    return [
        f"the totals of {pair} are {told.get(pair)}, callers saw {seen.get(pair)}"
        for pair in differing[:5]
    ]
