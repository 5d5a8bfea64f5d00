"""What is found of one part of a gateway's set-up, and what to do about it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from msgspec import Struct

State = Literal["ok", "warning", "problem"]


class Finding(Struct, frozen=True, kw_only=True):
    """One thing looked at. `fix` is empty where nothing is to be done."""

    part: str
    state: State
    what: str
    fix: str = ""


def ok(part: str, what: str) -> Finding:
    """A part that is as it should be."""
    return Finding(part=part, state="ok", what=what)


def warning(part: str, what: str, fix: str) -> Finding:
    """Something to know of, which fails no call now."""
    return Finding(part=part, state="warning", what=what, fix=fix)


def problem(part: str, what: str, fix: str) -> Finding:
    """Something that fails calls, or will."""
    return Finding(part=part, state="problem", what=what, fix=fix)


def counted(number: int, what: str) -> str:
    """The number with what is counted: `1 model`, `2 models`."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def exit_code(findings: Sequence[Finding]) -> int:
    """1 where there is a problem, else 0."""
    return int(any(finding.state == "problem" for finding in findings))
