"""Which run counts where other machines take this one's time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import pytest
from bench.quiet import Taken, note, quietest


def _machine(stolen: Sequence[int]) -> tuple[Callable[[], int], Callable[[], tuple[int, int]]]:
    """Runs of a thousand ticks each, of which so many are stolen, and the count of them."""
    begun: Iterator[int] = iter(range(len(stolen)))
    so_far = [0, 0]

    def run() -> int:
        number = next(begun)
        so_far[0] += stolen[number]
        so_far[1] += 1000
        return number

    return run, lambda: (so_far[0], so_far[1])


@pytest.mark.parametrize(
    ("stolen", "run", "tries"),
    [([0], 0, 1), ([2], 0, 1), ([3, 2], 1, 2), ([90, 7, 30], 1, 3), ([5, 5, 5], 0, 3)],
)
def test_the_first_quiet_run_counts_or_else_the_quietest(
    stolen: list[int], run: int, tries: int
) -> None:
    take, ticks = _machine(stolen)
    assert quietest(take, 3, ticks) == Taken(run, stolen[run] / 1000, tries)


def test_the_report_tells_how_often_the_machine_was_left_alone() -> None:
    quiet, loud = Taken(None, 0.002, 3), Taken(None, 0.25, 8)
    assert (
        note([quiet, quiet]) == "2 runs in 6 tries; in none was more than 0.2% of the time stolen"
    )
    assert note([quiet, loud]) == (
        "2 runs in 11 tries; 1 were never quiet, up to 25.0% of the time was stolen"
    )
