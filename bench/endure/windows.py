"""Whether limits were exact, judged by nothing but what callers were told."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from bench.endure.callers import Answer

_LENGTH = 65.0
_SETTLED = 3.0  # by then a process that has counted alone has told the server
_APART = 10.0  # two windows of one counter end a minute apart, what is told of one differs by 2 s


class Over(NamedTuple):
    """A window with requests above its limit: how many the server admitted, and who did alone.

    `alone` are the gateways that did, and when (Unix seconds).
    """

    account: str
    model: str
    limit: int
    counted: int
    alone: Sequence[tuple[int, float]]


class Windows(NamedTuple):
    """How many windows there were, how many used up, and what is wrong with any.

    `mixed` are those in which some requests were counted by a process alone, `above` how many it
    admitted by its share of windows that were used up by then; `over` are the windows of those.
    """

    windows: int
    full: int
    admitted: int
    refused: int
    mixed: int
    above: int
    faults: list[str]
    over: Sequence[Over] = ()


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

    `whole`: every answer was received, so no place may be missing. What a process has admitted
    alone has one too, for it is charged to the window when the server is back. What it has refused
    alone may have been given back, and then to somebody else, so a place may be told twice.
    """
    counters: dict[tuple[str, str], list[Answer]] = defaultdict(list)
    for answer in answers:
        if answer.model in limits:
            counters[answer.account, answer.model].append(answer)
    windows = full = admitted = refused = mixed = above = 0
    faults: list[str] = []
    over: list[Over] = []
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
            places = [(one.gateway, one.began) for one in beside if one.status != 429]
            apart = len(places)
            admitted, refused = admitted + len(left) + apart, refused + turned_away
            full += len(left) + apart >= limit
            mixed += bool(beside)
            if len(left) + apart > limit:
                above += len(left) + apart - limit
                over.append(Over(account, model, limit, len(left), places))
            given = {*left}
            # Whoever came while something was still to be settled may have been told otherwise.
            settled = max((one.began for one in beside), default=0.0) + _SETTLED
            later = [one for one in window if one.began >= settled]
            lowest = min((one.remaining for one in later if one.status != 429), default=limit)
            missing = limit - lowest - len(left) - apart
            in_vain = any(one.status == 429 for one in later)
            told_of = f"{account} at {model}, limit {limit}: {len(left)} admitted, {apart} alone"
            if len(left) - len(given) > len(beside) - apart or min(left, default=0) < 0:
                faults.append(f"{told_of}, {len(given)} places given")
            elif whole and missing > 0:
                faults.append(f"{told_of}, {missing} places missing")
            elif whole and in_vain and len(left) + apart < limit:
                faults.append(f"{told_of}, {turned_away} refused")
    return Windows(windows, full, admitted, refused, mixed, above, faults, over)


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
    return Windows(windows, full, admitted, refused, windows, 0, faults)
