"""docs/comparison.md, made from the results of a run: `python -m bench.page [RESULTS]`.

The figures of the comparison are kept in docs/comparison.json beside it; without RESULTS the page
is made of those again.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from textwrap import fill
from typing import Any

import msgspec

from bench.driver import ROOT
from bench.report import number

_DATA = ROOT / "docs" / "comparison.json"
_PAGE = ROOT / "docs" / "comparison.md"
_STOLEN = 0.03  # of all time, by other virtual machines
_WIDTH = 118
_COLUMNS = ("direct", "nginx", "callgate", "callgate off", "portkey", "litellm")
_TEMPLATE = Path(__file__).with_name("comparison.template")


def write(results: Path) -> Path:
    """Take the comparison out of a run's results; the page that is made of it."""
    run = msgspec.json.decode(results.read_bytes(), type=dict[str, Any])
    run["figures"] = [figure for figure in run["figures"] if figure["scenario"] == "peers"]
    if not run["figures"]:
        raise SystemExit(f"{results}: nothing of the scenario peers in it")
    _DATA.write_bytes(msgspec.json.format(msgspec.json.encode(run), indent=1) + b"\n")
    _PAGE.write_text(page(run))
    return _PAGE


def page(run: Mapping[str, Any]) -> str:
    """The page of a run."""
    return _TEMPLATE.read_text().format(
        place=_place(run), figures=_figures(run["figures"]), raw=_raw(run)
    )


def _place(run: Mapping[str, Any]) -> str:
    machine = run["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in run["versions"].items())
    built = f"Versions: {versions}; Callgate is {machine.get('build', 'interpreted')}."
    restless = machine["load"] > machine["cores"] / 2 or run["stolen"] > _STOLEN
    noise = "**The machine was busy: take these figures with care.**\n" if restless else ""
    return (
        f"Measured {run['time'][:16].replace('T', ' ')} UTC on {machine['processor']}, "
        f"{machine['cores']} cores, Linux {machine['kernel']}, Python {machine['python']}.\n{noise}"
        f"Load average before the run {machine['load']:.2f}, time stolen by other virtual machines "
        f"{run['stolen']:.1%}.\n{fill(built, _WIDTH, break_on_hyphens=False)}\n"
    )


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _figures(figures: Sequence[Mapping[str, Any]]) -> str:
    plain = [figure for figure in figures if " over " not in figure["metric"]]
    lines = [
        "## Figures\n",
        _row(["", *_COLUMNS]),
        _row(["---", *["---:"] * len(_COLUMNS)]),
    ]
    for figure in plain:
        unit = "" if figure["unit"] == "1" or "/s" in figure["unit"] else f" [{figure['unit']}]"
        values = [number(figure.get(name)).replace("-", "", 1) if figure.get(name) is None
                  else number(figure[name]) for name in _COLUMNS]  # fmt: skip
        lines.append(
            _row([figure["metric"].replace("us", "µs") + unit.replace("us", "µs"), *values])
        )
    lines += ["", *_verdicts(figures), "", "In this run:\n"]
    notes = {note for figure in figures for note in figure["notes"]}
    return "\n".join([*lines, *(f"- {note}." for note in sorted(notes)), ""])


def _verdicts(figures: Sequence[Mapping[str, Any]]) -> list[str]:
    lines = ["Callgate's CPU per request, 1k tokens, everything on, against the targets:\n"]
    for figure in figures:
        if not figure["target"] or figure["ratio"] is None:
            continue
        limit, ratio = figure["target"]["limit"], figure["ratio"]
        rival = figure["metric"].partition(" over ")[2].removesuffix("'s") or "nginx"
        verdict = "met" if figure["passed"] else "**missed**"
        said = (
            f"{ratio:.2f} times that of nginx; the target is at most {limit:g}"
            if limit >= 1
            else f"one {1 / ratio:,.0f}th of that of {rival}; the target is one {1 / limit:,.0f}th"
        )
        doubt = "" if figure.get("sure", True) else ", but not beyond chance"
        lines.append(f"- {said}: {verdict}{doubt}.")
    return lines


def _raw(run: Mapping[str, Any]) -> str:
    lines = ["## Raw numbers\n", "Every round, in the order in which it was measured.\n"]
    lines += [_row(["metric", "unit", "who", "rounds", "wrong answers"]), _row(["---"] * 5)]
    for figure in run["figures"]:
        for name, rounds in figure["rounds"].items():
            values = ", ".join(
                f"{value:,.4g}" if value < 1000 else f"{value:,.0f}" for value in rounds
            )
            lines.append(
                _row([figure["metric"], figure["unit"], name, values, str(figure["errors"])])
            )
    return "\n".join([*lines, ""])


def main() -> int:
    """Make the page."""
    if len(sys.argv) > 1:
        write(Path(sys.argv[1]))
    else:
        _PAGE.write_text(page(msgspec.json.decode(_DATA.read_bytes(), type=dict[str, Any])))
    return 0


if __name__ == "__main__":
    sys.exit(main())
