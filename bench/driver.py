"""Runs the load generator and the fake upstream as processes of their own."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec

from bench.cores import pinned
from bench.job import Job, Result
from bench.tree import Tree

ROOT = Path(__file__).resolve().parent.parent


class LoadError(Exception):
    """The load generator or the fake upstream failed."""


class Held:
    """Streams that are held open: how many run, and on the way out the `result`."""

    def __init__(self, streams: int) -> None:
        self.streams = streams
        self.result: Result | None = None


def _spawn(module: str, cores: frozenset[int]) -> subprocess.Popen[str]:
    with pinned(cores):
        return subprocess.Popen(
            [sys.executable, "-m", module],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )


def _line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise LoadError(f"{process.args!r} ended with status {process.wait()}")
    return line


def _begin(job: Job, cores: frozenset[int]) -> subprocess.Popen[str]:
    process = _spawn("bench.load", cores)
    assert process.stdin is not None
    process.stdin.write(msgspec.json.encode(job).decode() + "\n")
    process.stdin.flush()
    return process


def run(job: Job, cores: frozenset[int]) -> Result:
    """Do a `closed` or `open` job to its end."""
    process = _begin(job, cores)
    try:
        return msgspec.json.decode(_line(process), type=Result)
    finally:
        Tree(process).stop()


@contextlib.contextmanager
def held(job: Job, cores: frozenset[int]) -> Iterator[Held]:
    """Do a `hold` job: inside, its streams run."""
    process = _begin(job, cores)
    try:
        state = Held(int(_line(process)))
        yield state
        assert process.stdin is not None
        process.stdin.close()
        state.result = msgspec.json.decode(_line(process), type=Result)
    finally:
        Tree(process).stop()


@contextlib.contextmanager
def upstream(cores: frozenset[int]) -> Iterator[int]:
    """The fake upstream; gives its port."""
    process = _spawn("bench.upstream", cores)
    try:
        yield int(_line(process))
    finally:
        Tree(process).stop()
