"""What a process tells its supervisor, through a pipe between the two ends in one process."""

from __future__ import annotations

import faulthandler
import os
import signal
from collections.abc import Iterator
from contextlib import closing

import pytest

from callgate.server.child import TELL, Child, Role, Signs, manner
from callgate.server.liveness import Step


class Line:
    """Both ends of a pipe; `child` is this very process, as its supervisor would see it."""

    def __init__(self, patience: float) -> None:
        heard, self.said = os.pipe()
        self.child = Child(
            Role("worker 1", lambda _signs: None, patience=patience), os.getpid(), heard
        )
        self.signs = Signs(self.said)

    def close(self) -> None:
        faulthandler.unregister(TELL)
        self.child.forget()
        os.close(self.said)


@pytest.fixture
def line() -> Iterator[Line]:
    with closing(Line(3.0)) as made:
        yield made


def looks(child: Child, first: int, last: int) -> list[Step]:
    """What is due when it is looked at once a second."""
    due = [child.look(float(now)) for now in range(first, last)]
    return [step for step in due if step is not Step.NONE]


def test_who_starts_may_take_any_time(line: Line) -> None:
    assert looks(line.child, 0, 1000) == []
    assert not line.child.is_ready()
    line.signs.alive()
    assert line.child.is_ready()
    assert looks(line.child, 1000, 1006) == [Step.ASK, Step.END]


def test_who_is_busy_may_take_any_time_until_it_says_that_it_is_not(line: Line) -> None:
    line.signs.alive()
    line.signs.busy()
    assert looks(line.child, 0, 1000) == []
    line.signs.alive()
    assert looks(line.child, 1000, 1006) == [Step.ASK, Step.END]


def test_a_sign_that_was_heard_when_it_was_asked_whether_it_is_ready_counts(line: Line) -> None:
    line.signs.alive()
    assert looks(line.child, 0, 3) == []
    line.signs.alive()
    assert line.child.is_ready()
    assert looks(line.child, 3, 5) == []


def test_signs_that_nobody_hears_hold_nobody_up(line: Line) -> None:
    for _ in range(100_000):  # more than a pipe holds
        line.signs.alive()
    assert line.child.look(0.0) is Step.NONE
    assert line.child.is_ready()


def test_a_hung_one_tells_where_it_is_and_nothing_that_was_told_before(line: Line) -> None:
    line.signs.alive()
    os.write(line.said, b"told unasked")
    assert looks(line.child, 0, 4) == [Step.ASK]
    line.child.kill(TELL)
    told = line.child
    assert looks(told, 4, 6) == [Step.END]
    doings = told.doings()
    assert doings["pid"] == os.getpid()
    assert doings["state"] == "running"
    stacks = str(doings["stacks"])
    assert "test_a_hung_one_tells_where_it_is" in stacks
    assert "unasked" not in stacks


def test_of_one_that_is_gone_nothing_more_is_told_than_who_it_was(line: Line) -> None:
    with closing(Line(3.0)) as other:
        other.child.pid = 2**22 + 1  # beyond all that Linux gives
        assert other.child.doings() == {"pid": 2**22 + 1}
        other.child.kill(signal.SIGKILL)


@pytest.mark.parametrize(
    ("code", "told"),
    [
        (1, "ended with status 1"),
        (-signal.SIGKILL, "was killed by SIGKILL, by hand or by the kernel for lack of memory"),
        (
            -signal.SIGBUS,
            "was killed by SIGBUS: a mapped file was made shorter, or its disk failed",
        ),
        (-signal.SIGSEGV, "was killed by SIGSEGV"),
        (-40, "was killed by signal 40"),
    ],
)
def test_how_a_process_ended_is_told_in_words(code: int, told: str) -> None:
    assert manner(code) == told
