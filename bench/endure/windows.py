"""Whether limits were exact, judged by nothing but what callers were told."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from bench.endure.callers import Answer

_LENGTH = 65.0
_APART = 10.0  # two windows of one counter end a minute apart, what is told of one differs by 2 s


class Windows(NamedTuple):
    """How many windows there were, how many used up, and what is wrong with any.

    `mixed` are those in which some requests were counted by a process alone.
    """

    windows: int
    full: int
    admitted: int
    refused: int
    mixed: int
    faults: list[str]


def _ends(answer: Answer) -> float:
    return answer.began + answer.reset


def _windows(answers: Iterable[Answer]) -> list[list[Answer]]:
    """The answers of one counter, window by window."""
    found: list[list[Answer]] = []
    last = 0.0
    for answer in sorted(answers, key=_ends):
        if _ends(answer) - last > _APART:
            found.append([])
        last = _ends(answer)
        found[-1].append(answer)
    return found


def judged(answers: Iterable[Answer], limits: Mapping[str, int], *, whole: bool = True) -> Windows:
    """Every place of a window is given once, and nobody refused while there is one left.

    `whole`: every answer was received, so no place may be missing, but for two: what a process
    has admitted alone, it charges to the window when the server is back; and an answer that the
    server gave too late was a place that nobody got.
    """
    counters: dict[tuple[str, str], list[Answer]] = defaultdict(list)
    for answer in answers:
        if answer.model in limits:
            counters[answer.account, answer.model].append(answer)
    windows = full = admitted = refused = mixed = 0
    faults: list[str] = []
    for (account, model), told in sorted(counters.items()):
        limit = limits[model]
        by_processes = [one for one in told if one.degraded]
        for window in _windows(one for one in told if not one.degraded):
            windows += 1
            left = [one.remaining for one in window if one.status != 429]
            turned_away = len(window) - len(left)
            end = _ends(window[-1])
            # A process that counts alone has windows of its own; what counts is the time.
            beside = [one for one in by_processes if end - _LENGTH <= one.began <= end]
            apart = sum(one.status != 429 for one in beside)
            admitted, refused = admitted + len(left) + apart, refused + turned_away
            full += len(left) + apart >= limit
            mixed += bool(beside)
            given, lowest = {*left}, min(left, default=limit)
            missing = limit - lowest - len(given)
            told_of = f"{account} at {model}, limit {limit}: {len(left)} admitted, {apart} alone"
            if len(left) != len(given) or lowest < 0:
                faults.append(f"{told_of}, {len(given)} places given")
            elif whole and missing > apart + len(beside):
                faults.append(f"{told_of}, {missing} places missing")
            elif whole and turned_away and len(left) + apart + len(beside) < limit:
                faults.append(f"{told_of}, {turned_away} refused")
    return Windows(windows, full, admitted, refused, mixed, faults)


def alone(answers: Iterable[Answer], limits: Mapping[str, int], processes: int) -> Windows:
    """Whether processes kept to their shares while nobody counted for all of them."""
    counters: dict[tuple[int, str, str], list[Answer]] = defaultdict(list)
    for answer in answers:
        if answer.model in limits and answer.degraded:
            counters[answer.gateway, answer.account, answer.model].append(answer)
    windows = full = admitted = refused = 0
    faults: list[str] = []
    for (gateway, account, model), told in sorted(counters.items()):
        share = limits[model] // processes
        # Each worker of a gateway has a window of its own; they may begin at any time.
        ends = sorted({round(_ends(one)) for one in told if one.status != 429})
        places = [one for one in told if one.status != 429]
        windows += len(ends)
        admitted, refused = admitted + len(places), refused + len(told) - len(places)
        for end in ends:
            taken = sum(abs(_ends(one) - end) < _APART for one in places)
            full += taken == 2 * share
            if taken > 2 * share:
                faults.append(
                    f"gateway {gateway}, {account} at {model}: {taken} admitted alone, "
                    f"two workers' shares are {2 * share}"
                )
    return Windows(windows, full, admitted, refused, windows, faults)
