"""`python -m bench`: measure, print a table, write bench/results/<date>.json."""

from __future__ import annotations

import argparse
import contextlib
import os
import resource
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from bench.cores import Cores, place
from bench.cpu import requests, streams
from bench.driver import ROOT, LoadError
from bench.install import install
from bench.latency import latency
from bench.machine import Machine, machine, stolen
from bench.memory import memory
from bench.page import write as write_page
from bench.peers.comparison import peers
from bench.rate import rates
from bench.report import Figure, table
from bench.scale import store, workers
from bench.servers import servers
from bench.start import start
from bench.subject import CALLGATE, NGINX, StartError
from bench.testbed import QUICK, Extent, Testbed, testbed

_SCENARIOS: dict[str, Callable[[Testbed], list[Figure]]] = {
    "request": requests,
    "rate": rates,
    "stream": streams,
    "latency": latency,
    "memory": memory,
    "start": start,
    "workers": workers,
    "store": store,
    "servers": servers,
    "peers": peers,
}
_ON_DEMAND = frozenset({"store", "servers"})  # minutes and gigabytes, packages of the tests
_OWN_LINEUP = frozenset(
    {"workers", "store", "servers", "peers"}
)  # these start what they measure themselves
_FILES = 65_536
_RESULTS = ROOT / "bench" / "results"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a short run that tries everything")
    usual = ",".join(name for name in _SCENARIOS if name not in _ON_DEMAND)
    parser.add_argument("--only", default=usual, help="scenarios, comma-separated")
    parser.add_argument(
        "--subjects", default=f"{NGINX},{CALLGATE}", help="beside the direct call, comma-separated"
    )
    parser.add_argument("--rounds", type=int, help="rounds per scenario")
    parser.add_argument("--seconds", type=float, help="seconds per round")
    parser.add_argument("--streams", type=int, help="streams held open for their memory")
    parser.add_argument("--pause", type=float, help="seconds between events of such a stream")
    parser.add_argument("--records", type=int, help="records in a full store")
    parser.add_argument(
        "--write-page", action="store_true", help="make docs/comparison.md of this run's peers"
    )
    parser.add_argument("--install", action="store_true", help="weigh a base installation too")
    arguments = parser.parse_args()
    unknown = set(arguments.only.split(",")) - set(_SCENARIOS)
    if unknown:
        parser.error(f"no scenario {', '.join(sorted(unknown))}; there are {', '.join(_SCENARIOS)}")
    return arguments


def _extent(arguments: argparse.Namespace) -> Extent:
    base = QUICK if arguments.quick else Extent()
    given = {
        name: value
        for name in ("rounds", "seconds", "streams", "pause", "records")
        if (value := getattr(arguments, name)) is not None
    }
    return msgspec.structs.replace(base, **given)


def _raise_files() -> int:
    """Allow as many open descriptors as the system lets us; children inherit it."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):  # a privileged user may go beyond the bound
        resource.setrlimit(resource.RLIMIT_NOFILE, (_FILES, max(hard, _FILES)))
        return 60_000
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return min(hard, 60_000) if hard > 0 else 60_000


def _measure(
    arguments: argparse.Namespace, cores: Cores
) -> tuple[list[Figure], list[str], dict[str, str]]:
    figures: list[Figure] = []
    faults: list[str] = []
    versions: dict[str, str] = {}
    _RESULTS.mkdir(exist_ok=True)
    # Beside the results, not in a temporary file system: a journal belongs on a disk.
    folder = Path(tempfile.mkdtemp(prefix=".run-", dir=_RESULTS))
    try:
        extent, files = _extent(arguments), _raise_files()
        wanted = frozenset(arguments.subjects.split(","))
        for name in arguments.only.split(","):
            print(f"measuring: {name}", file=sys.stderr, flush=True)
            # Servers of its own for each: what one scenario leaves behind would alter the next.
            subjects = frozenset[str]() if name in _OWN_LINEUP else wanted
            with testbed(folder / name, cores, extent, files, subjects) as running:
                try:
                    figures += _SCENARIOS[name](running)
                except (LoadError, StartError) as error:
                    faults.append(f"{name}: {error}")
                faults += running.faults
                versions |= running.versions
        if arguments.install:
            print("measuring: install", file=sys.stderr, flush=True)
            figures += install(folder)
    finally:
        if faults:
            print(f"kept, with the servers' logs: {folder}", file=sys.stderr)
        else:
            shutil.rmtree(folder, ignore_errors=True)
    return figures, faults, versions


def _write(
    figures: list[Figure],
    faults: list[str],
    versions: dict[str, str],
    before: Machine,
    steal: float,
) -> Path:
    now = datetime.now(UTC)
    document = {
        "time": now.isoformat(timespec="seconds"),
        "machine": before,
        "versions": versions,
        "load_after": os.getloadavg()[0],
        "stolen": steal,
        "faults": faults,
        "figures": [figure.summary() for figure in figures],
    }
    path = _RESULTS / f"{now:%Y-%m-%dT%H%M%S}.json"
    path.write_bytes(msgspec.json.format(msgspec.json.encode(document), indent=1) + b"\n")
    return path


def main() -> int:
    """Run the bench; the status is 1 where an answer was wrong or a target was missed."""
    arguments = _arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(130))  # so that the servers are stopped
    before, (steal, ticks) = machine(), stolen()
    cores = place()
    try:
        figures, faults, versions = _measure(arguments, cores)
    except StartError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2
    now = stolen()
    share = (now[0] - steal) / max(now[1] - ticks, 1)
    path = _write(figures, faults, versions, before, share)
    print(
        f"{before.processor}, {before.cores} cores, Linux {before.kernel}, Python {before.python}; "
        f"Callgate {before.build}; load average before {before.load:.2f}, "
        f"time stolen by other machines {share:.1%}"
    )
    if not cores.apart:
        print("One core only: the load shares it with what is measured; latencies mean little.")
    if before.load > before.cores / 2:
        print("The machine was busy before the bench began: do not trust these figures.")
    own = [figure for figure in figures if figure.scenario != "peers"]
    for part in (own, [figure for figure in figures if figure.scenario == "peers"]):
        print(f"\n{table(part)}\n" if part else "", end="")
    for name, version in versions.items():
        print(f"{name} {version}", end="; ")
    if arguments.write_page:
        print(f"written: {write_page(path).relative_to(ROOT)}")
    for fault in dict.fromkeys(faults):
        print(f"wrong answer: {fault}", file=sys.stderr)
    print(f"written: {path.relative_to(ROOT)}")
    return 1 if faults or any(figure.passed() is False for figure in figures) else 0


if __name__ == "__main__":
    sys.exit(main())
