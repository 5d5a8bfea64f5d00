"""The page of the comparison is made of the figures beside it, and of nothing else."""

from __future__ import annotations

from pathlib import Path

import msgspec
from bench.page import page

DOCS = Path(__file__).parents[2] / "docs"


def test_the_page_says_what_was_measured() -> None:
    run = msgspec.json.decode((DOCS / "comparison.json").read_bytes())
    assert page(run) == (DOCS / "comparison.md").read_text()


def test_a_target_that_was_missed_is_said_to_be() -> None:
    run = msgspec.json.decode((DOCS / "comparison.json").read_bytes())
    judged = [figure for figure in run["figures"] if figure["passed"] is not None]
    assert judged
    for figure in judged:
        figure["passed"] = False
    assert page(run).count("**missed**") == len(judged)
    for figure in judged:
        figure["passed"] = True
    assert "**missed**" not in page(run)
