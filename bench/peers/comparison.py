"""The comparison: every figure, for everybody who could be started."""

from __future__ import annotations

import contextlib
import sys
from statistics import median

import msgspec

from bench.peers.cost import costs
from bench.peers.delay import added, first_chunk
from bench.peers.lineup import line_up
from bench.peers.pace import pace
from bench.peers.room import room
from bench.report import Figure
from bench.testbed import Testbed

_SHORTER = 0.6  # of the usual round: there are six subjects, six kinds of load and more


def peers(testbed: Testbed) -> list[Figure]:
    """Measure all; who could not be installed or started is named in a note."""
    extent = testbed.extent
    testbed.extent = msgspec.structs.replace(extent, seconds=extent.seconds * _SHORTER)
    with contextlib.ExitStack() as stack:
        _say("installing and starting")
        lineup = line_up(testbed, stack)
        _say("CPU")
        figures, rounds = costs(testbed, lineup.subjects)
        full = {name: median(values) for name, values in rounds.items()}
        _say("rates")
        figures.append(Figure(scenario="peers", metric="requests/s, no bound of latency",
                              unit="1/s", rounds=rounds))  # fmt: skip
        figures.append(pace(testbed, lineup.subjects, full))
        _say("latency")
        figures += added(testbed, lineup.subjects, full)
        figures += first_chunk(testbed, lineup.subjects)
        _say("memory")
        figures += room(testbed, lineup.subjects, lineup.idle)
    for metric, unit, values in (
        ("start to the first answer", "s", lineup.cold),
        ("installation", "MB", lineup.sizes),
        ("packages", "1", lineup.packages),
    ):
        rounds = {name: [value] for name, value in values.items()}
        figures.append(Figure(scenario="peers", metric=metric, unit=unit, rounds=rounds))
    figures[0].notes = [*figures[0].notes, *lineup.notes]
    testbed.versions |= lineup.versions
    return figures


def _say(what: str) -> None:
    print(f"measuring: peers, {what}", file=sys.stderr, flush=True)
