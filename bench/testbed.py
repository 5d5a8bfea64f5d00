"""Everything that a scenario needs: servers that run, cores, and how long to measure."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

from bench import driver, nginx
from bench.cores import Cores
from bench.gateway import Gateway, room_for
from bench.job import Job, Result
from bench.subject import CALLGATE, DIRECT, Subject, find_nginx


class Extent(Struct, frozen=True, kw_only=True):
    """How long and how large; `streams` is how many are held open at once for their memory,
    each with an event every `pause` seconds; `records` how many a full store holds.
    """

    rounds: int = 6  # as few as an interval of 95 % confidence can be told from
    seconds: float = 2.5
    warmup: float = 1.0
    streams: int = 5000
    pause: float = 5.0
    starts: int = 5
    records: int = 1_000_000


QUICK = Extent(rounds=2, seconds=1.0, warmup=0.5, streams=500, starts=2, records=50_000)


class Testbed(Struct, kw_only=True):
    """The servers under test beside the fake upstream, in the order in which they are measured.

    `folder` is for what a scenario writes, `files` bounds the open descriptors of a server,
    `versions` are those of other programs that a scenario has measured.
    """

    subjects: list[Subject]
    cores: Cores
    extent: Extent
    gateway: Gateway | None
    folder: Path
    files: int
    faults: list[str] = []
    versions: dict[str, str] = {}

    def proxies(self) -> list[Subject]:
        """The subjects whose cost can be measured."""
        return [subject for subject in self.subjects if subject.tree]

    def callgate(self) -> list[Subject]:
        """Callgate, where it is measured."""
        return [subject for subject in self.subjects if subject.name == CALLGATE]

    def run(self, job: Job) -> Result:
        """Run load; what went wrong is kept for the report."""
        result = driver.run(job, self.cores.load)
        self.faults += result.faults
        return result


@contextlib.contextmanager
def testbed(
    folder: Path, cores: Cores, extent: Extent, files: int, wanted: frozenset[str]
) -> Iterator[Testbed]:
    """Start everything wanted (`nginx`, `callgate`), and stop it at the end."""
    folder.mkdir()
    with contextlib.ExitStack() as stack:
        port = stack.enter_context(driver.upstream(cores.upstream))
        subjects = [Subject(DIRECT, port, port, None)]
        program = find_nginx()
        if program and "nginx" in wanted:
            proxy = nginx.start(program, folder / "nginx", port, files, cores.subject)
            _stop_later(stack, proxy)
            subjects.append(proxy)
        gateway = None
        if CALLGATE in wanted:
            settings = room_for(extent.streams)
            gateway = Gateway(folder / "gateway", port, cores.subject, settings)
            gateway.create_key()
            served = gateway.start()
            _stop_later(stack, served)
            subjects.append(served)
        yield Testbed(
            subjects=subjects,
            cores=cores,
            extent=extent,
            gateway=gateway,
            folder=folder,
            files=files,
        )


def _stop_later(stack: contextlib.ExitStack, subject: Subject) -> None:
    if subject.tree:
        stack.callback(subject.tree.stop)
