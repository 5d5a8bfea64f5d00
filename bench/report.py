"""What the bench has found, as a table and as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median

from msgspec import Struct

from bench.figures import interval, spread
from bench.subject import CALLGATE, DIRECT, NGINX, TRANSLATED

NOISY = 0.15
_COLUMNS = (DIRECT, NGINX, CALLGATE)


class Target(Struct, frozen=True):
    """The most that is allowed: of the ratio, or of Callgate's own value."""

    limit: float
    of_ratio: bool = False


class Figure(Struct, kw_only=True):
    """One thing measured, in every round and for every subject; a value is its rounds' median.

    `over` is what Callgate's value is divided by, round by round, where a ratio means something.
    """

    scenario: str
    metric: str
    unit: str
    rounds: Mapping[str, Sequence[float]]
    over: Sequence[float] = ()
    target: Target | None = None
    errors: int = 0
    notes: Sequence[str] = ()

    def value(self, subject: str) -> float | None:
        """The median of a subject's rounds."""
        rounds = self.rounds.get(subject)
        return median(rounds) if rounds else None

    def ratios(self) -> list[float]:
        """Callgate's value over what it is compared with, round by round."""
        pairs = zip(self.rounds.get(CALLGATE, ()), self.over, strict=False)
        return [ours / theirs for ours, theirs in pairs if theirs]

    def ratio(self) -> float | None:
        """The median of the ratios."""
        ratios = self.ratios()
        return median(ratios) if ratios else None

    def spread(self) -> float | None:
        """How far the rounds lie apart, of the ratios where there are any."""
        values = self.ratios() or self.rounds.get(CALLGATE, ())
        return spread(values) if len(values) > 1 else None

    def interval(self) -> tuple[float, float] | None:
        """Where the ratio lies with 95 % confidence, or Callgate's value where there is none."""
        return interval(self.ratios() or self.rounds.get(CALLGATE, ()))

    def passed(self) -> bool | None:
        """Whether the target is met; None where there is none or nothing to judge by."""
        if not self.target:
            return None
        value = self.ratio() if self.target.of_ratio else self.value(CALLGATE)
        return None if value is None else value <= self.target.limit

    def sure(self) -> bool:
        """Whether `passed` is beyond chance: the interval lies on one side of the target."""
        between = self.interval()
        if self.target is None or between is None:
            return False
        return between[1] <= self.target.limit or between[0] > self.target.limit

    def summary(self) -> dict[str, object]:
        """The figure with everything computed from it, for JSON."""
        return {
            "scenario": self.scenario,
            "metric": self.metric,
            "unit": self.unit,
            **{name: self.value(name) for name in (*_COLUMNS, *self.rounds)},
            "ratio": self.ratio(),
            "target": self.target,
            "passed": self.passed(),
            "sure": self.sure(),
            "interval": self.interval(),
            "spread": self.spread(),
            "errors": self.errors,
            "notes": list(self.notes),
            "rounds": dict(self.rounds),
        }


def number(value: float | None) -> str:
    """A figure with as many digits as it deserves; a dash for none."""
    if value is None:
        return "-"
    size = abs(value)
    return f"{value:,.0f}" if size >= 1000 else f"{value:.1f}" if size >= 10 else f"{value:.2f}"


def _target(figure: Figure) -> str:
    if not figure.target:
        return ""
    sign = "x" if figure.target.of_ratio else ""
    return f"<= {number(figure.target.limit)}{sign}"


def _columns(figures: Sequence[Figure]) -> list[str]:
    """Who has a column: the usual three, and whoever else was measured."""
    others = (name for figure in figures for name in figure.rounds)
    return list(dict.fromkeys([*_COLUMNS, *(name for name in others if name != TRANSLATED)]))


def _cells(figure: Figure, columns: Sequence[str]) -> list[str]:
    ratio, apart, between = figure.ratio(), figure.spread(), figure.interval()
    verdict = {True: "pass", False: "FAIL", None: "not judged" if figure.target else ""}
    doubt = "" if figure.passed() is None or figure.sure() else ", unsure"
    return [
        figure.scenario,
        f"{figure.metric} [{figure.unit}]",
        *(number(figure.value(name)) for name in columns),
        f"{ratio:.2f}x" if ratio else "-",
        "-" if between is None else " to ".join(map(number, between)),
        _target(figure),
        verdict[figure.passed()] + doubt,
        "-" if apart is None else f"{apart:.0%}" + (" noisy" if apart > NOISY else ""),
    ]


def table(figures: Sequence[Figure]) -> str:
    """The figures as text, one line each, with notes below."""
    columns = _columns(figures)
    head = ["scenario", "metric", *columns, "ratio", "95 %", "target", "verdict", "spread"]
    rows = [head, *(_cells(figure, columns) for figure in figures)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(head))]
    lines = []
    for row in rows:
        cells = [
            cell.rjust(width) if 2 <= i <= len(columns) + 3 else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    lines.insert(1, "-" * len(lines[0]))
    notes = {f"{figure.scenario}: {note}": None for figure in figures for note in figure.notes}
    return "\n".join([*lines, "", *notes]).rstrip()
