"""`python -m bench.endure`: gateways on one PostgreSQL and one Redis, and everything that dies."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import uvloop

from bench import driver
from bench.driver import ROOT
from bench.endure import refusals, scenes
from bench.endure.fleet import Fleet
from bench.endure.scenes import Extent, Row, Scene
from bench.endure.servers import Postgres, Redis
from bench.machine import machine

_RESULTS = ROOT / "bench" / "results"
_PATIENT, _DEFAULT = 2.0, 0.05
_NAMES = ("crowd", "outages", "kills", "reloads", "refusals")


class Stage:
    """The servers, and a fleet of its own for each scene."""

    def __init__(self, folder: Path, extent: Extent, stack: ExitStack) -> None:
        self.folder = folder
        self.extent = extent
        self.postgres = Postgres(folder / "postgres")
        stack.callback(self.postgres.kill)
        self.cache = Redis(folder / "redis")
        stack.callback(self.cache.kill)
        self.upstream = stack.enter_context(driver.upstream(frozenset(os.sched_getaffinity(0))))

    def play(self, name: str) -> Scene:
        """Play a scene."""
        if name == "refusals":
            return self._refusals()
        plays: dict[str, tuple[float, Callable[[Fleet], Awaitable[Scene]]]] = {
            # Where no server is away, a moment without a processor must not look like it.
            "crowd": (_PATIENT, lambda fleet: scenes.crowd(fleet, self.extent)),
            "outages": (
                _DEFAULT,
                lambda fleet: scenes.outages(fleet, self.extent, self.postgres, self.cache),
            ),
            "kills": (_PATIENT, lambda fleet: scenes.kills(fleet, self.extent)),
            "reloads": (_PATIENT, lambda fleet: scenes.reloads(fleet, self.extent)),
        }
        timeout, play = plays[name]
        fleet = Fleet(self.folder / name, self.postgres, self.cache, self.upstream, timeout)
        try:
            fleet.start()

            async def run() -> Scene:
                return await play(fleet)

            return uvloop.run(run())
        finally:
            fleet.stop()

    def _refusals(self) -> Scene:
        rows = []
        for number, case in enumerate(refusals.cases(self.postgres, self.cache)):
            folder = self.folder / f"refused{number}"
            faults = refusals.faults_of(case, folder, self.postgres)
            said = (folder / "said").read_text().strip() if (folder / "said").exists() else ""
            rows.append(Row(case.name, not faults, "; ".join(faults) or said.replace("\n", " | ")))
        return Scene(rows, {})


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.endure", description=__doc__)
    parser.add_argument("--requests", type=int, default=100_000, help="of the crowd")
    parser.add_argument("--rate", type=float, default=500.0, help="requests per second, at most")
    parser.add_argument("--outages", type=int, default=5, help="of each server")
    parser.add_argument("--away", type=float, default=3.0, help="seconds of an outage")
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--reloads", type=int, default=12)
    parser.add_argument("--only", default=",".join(_NAMES), help="some of the scenes")
    arguments = parser.parse_args()
    unknown = set(arguments.only.split(",")) - set(_NAMES)
    if unknown:
        parser.error(f"unknown scenes: {', '.join(sorted(unknown))}")
    return arguments


def _report(name: str, scene: Scene, seconds: float) -> bool:
    print(f"{name} ({seconds:.0f} s)")
    for row in scene.rows:
        print(f"  {'sound' if row.sound else 'WRONG':<6} {row.name:<12} {row.told}")
    sys.stdout.flush()
    return all(row.sound for row in scene.rows)


def main() -> int:
    """Play the scenes; the status is 1 where anything came out wrong."""
    arguments = _arguments()
    extent = Extent(
        requests=arguments.requests,
        rate=arguments.rate,
        outages=arguments.outages,
        away=arguments.away,
        kills=arguments.kills,
        reloads=arguments.reloads,
    )
    started = datetime.now(UTC)
    # Not below the results: a socket's path may have no more than about a hundred characters.
    folder = Path(tempfile.mkdtemp(prefix="cg-endure-"))
    folder.chmod(0o755)
    found: dict[str, Any] = {}
    sound = True
    print(f"load average before the run: {os.getloadavg()[0]:.1f}", flush=True)
    with ExitStack() as stack:
        stage = Stage(folder, extent, stack)
        for name in arguments.only.split(","):
            begun = time.monotonic()
            scene = stage.play(name)
            sound &= _report(name, scene, time.monotonic() - begun)
            found[name] = scene
    _RESULTS.mkdir(exist_ok=True)
    path = _RESULTS / f"endure-{started:%Y-%m-%dT%H%M%S}.json"
    document = {
        "time": started.isoformat(timespec="seconds"),
        "machine": machine(),
        "extent": extent._asdict(),
        "sound": sound,
        "scenes": found,
    }
    path.write_bytes(msgspec.json.format(msgspec.json.encode(document), indent=1) + b"\n")
    print(f"written: {path.relative_to(ROOT)}")
    if sound:
        shutil.rmtree(folder, ignore_errors=True)
    else:
        print(f"kept, with the gateways' logs: {folder}", file=sys.stderr)
    return 0 if sound else 1


if __name__ == "__main__":
    sys.exit(main())
