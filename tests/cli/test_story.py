"""The story's text: as wide as asked, in plain characters where need be, never broken by data."""

from __future__ import annotations

import click
import pytest

import samples
from callgate.cli.story import tell
from callgate.support.explain import explain

LONG = "word " * 200 + "x" * 500


@pytest.mark.parametrize("width", [1, 60, 80, 120, 10_000])
@pytest.mark.parametrize("make", [samples.answered, samples.refused, samples.failed, samples.cut])
def test_no_line_is_wider_than_the_terminal(make: object, width: int) -> None:
    assert callable(make)
    record = make(message=LONG, user_agent=LONG, notes=[LONG], path="/" + "y" * 400)
    lines = list(tell(explain(record, contact="c" * 60), record.time, width=width))
    allowed = min(max(width, 60), 120)
    assert max(len(click.unstyle(line)) for line in lines) <= allowed
    assert not any("\n" in line for line in lines)


def test_a_terminal_without_blocks_gets_ascii_bars() -> None:
    record = samples.failed()
    lines = tell(explain(record), record.time, width=80, blocks=False)
    bars = [click.unstyle(line) for line in lines if "|" in line]
    assert len(bars) == 2
    assert all(line.isascii() for line in bars)


def test_bars_are_to_scale() -> None:
    record = samples.failed()
    lines = tell(explain(record), record.time, width=100)
    first, second = (click.unstyle(line)[5:83] for line in lines if line.startswith("    |"))
    scale = 78 / record.total_us
    assert len(first.strip()) == pytest.approx(800_000 * scale, abs=1.5)
    assert len(first) - len(first.lstrip()) == 0
    assert second.index("·") == pytest.approx(1_700_400 * scale, abs=1.5)


def test_advice_comes_before_the_details() -> None:
    record = samples.failed()
    text = click.unstyle("\n".join(tell(explain(record), record.time, width=100)))
    heads = ["What to do", "Quote to", "Attempts", "Time", "Asked"]
    places = [text.index("\n" + head) for head in heads]
    assert places == sorted(places)


def test_all_that_was_wrong_with_a_request_is_told() -> None:
    record = samples.refused(
        status=400, message="Invalid request: a: wrong", errors=["a: wrong", "b: wrong", "c: wrong"]
    )
    lines = [click.unstyle(line) for line in tell(explain(record), record.time, width=120)]
    assert [line.split() for line in lines[1:4]] == [
        ["Invalid", "request:", "a:", "wrong"], ["and", "b:", "wrong"], ["and", "c:", "wrong"],
    ]  # fmt: skip
