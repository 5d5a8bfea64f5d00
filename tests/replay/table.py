"""The tally: how many replays passed, by dialect, by streaming and by tag."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

ROWS = "replay_rows"
NOTES = "replay_notes"
"""The properties by which a test hands its part of the table on, from whichever process."""

Row = tuple[str, str, str, list[str], bool]
"""Dialect, provider, way (whole, stream, stream in pieces), the recording's tags, passed."""


def render(rows: Iterable[Row], notes: Iterable[str]) -> list[str]:
    """The table's lines."""
    kept = list(rows)
    total: Counter[tuple[str, ...]] = Counter()
    passed: Counter[tuple[str, ...]] = Counter()
    tags: Counter[str] = Counter()
    good: Counter[str] = Counter()
    for dialect, provider, way, tagged, fine in kept:
        keys: tuple[tuple[str, ...], ...] = ((dialect, provider, way), ("all", "", ""))
        for key in keys:
            total[key] += 1
            passed[key] += fine
        tags.update(tagged)
        good.update(tagged if fine else ())
    lines = [f"{'dialect':10} {'provider':18} {'way':18} {'passed':>6} / total"]
    for key in sorted(total, key=lambda one: (one[0] == "all", one)):
        mark = "" if passed[key] == total[key] else "  <--"
        lines.append(f"{key[0]:10} {key[1]:18} {key[2]:18} {passed[key]:6} / {total[key]:5}{mark}")
    lines += ["", "by tag (replays passed/total)"]
    width = max(map(len, tags), default=0)
    cells = [f"{tag:{width}} {good[tag]:5}/{tags[tag]:<5}" for tag in sorted(tags)]
    lines += ["  ".join(cells[at : at + 3]).rstrip() for at in range(0, len(cells), 3)]
    return [*lines, "", *notes]
