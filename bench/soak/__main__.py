"""`python -m bench.soak`: every fault and vanishing callers for minutes on end."""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from shutil import rmtree
from typing import Any

import msgspec

from bench.driver import ROOT
from bench.machine import machine
from bench.soak.callers import Callers
from bench.soak.verdict import Sample, growth
from bench.tree import Tree
from callgate.chaos.faults import FAULTS
from callgate.chaos.server import running_chaos
from callgate.store.base import Query
from callgate.store.opening import open_store

_RESULTS = ROOT / "bench" / "results"
_SETTLE = 60.0
_CONFIG = """\
catalogue = false
[server]
keep_alive = 5
[upstream]
idle_expiry = 2
[breaker]
calls = 1000000000
[providers.chaos]
dialect = "openai"
base_url = "{url}/v1"
timeouts = {{ connect = 2, headers = 4, first_token = 4, silence = 2, total = 10 }}
"""
_MODEL = '[models."{name}"]\nprovider = "chaos"\nrate_limit = 1000000000\n'


class Gateway:
    """The gateway under load, as it is at any moment."""

    def __init__(self, folder: Path, process: subprocess.Popen[str], port: int) -> None:
        self.folder = folder
        self.port = port
        self._tree = Tree(process)
        self._told = (folder / "worker.jsonl").open()
        self._worker: dict[str, int] = {}

    def sample(self, at: float, in_progress: int) -> Sample:
        """What it holds just now."""
        for line in self._told:
            self._worker = json.loads(line)
        pid = self._worker["pid"]
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        links = (Path(f"/proc/{pid}/fd") / name for name in _names(Path(f"/proc/{pid}/fd")))
        return Sample(
            at=at,
            rss_mb=pages * 4096 / 2**20,
            sockets=sum(_is_socket(link) for link in links),
            tasks=self._worker["tasks"],
            in_progress=in_progress,
        )

    def stop(self) -> None:
        """End it in order."""
        self._tree.stop(20)
        self._told.close()

    def recorded(self, since: int) -> list[str]:
        """The callers' own ids of all records in the store."""
        found: list[str] = []
        query = Query(since=since, limit=10**9)
        with closing(open_store(f"sqlite:///{self.folder / 'callgate-data/callgate.db'}")) as store:
            found += [one.client_request_id or "" for one in store.requests.find(query)]
        return found


def _names(folder: Path) -> list[str]:
    return [one.name for one in folder.iterdir()]


def _is_socket(link: Path) -> bool:
    try:
        return str(link.readlink()).startswith("socket:")
    except OSError:
        return False


@contextmanager
def _gateway(folder: Path, url: str) -> Iterator[tuple[Gateway, str]]:
    config = folder / "callgate.toml"
    models = "".join(_MODEL.format(name=name) for name in FAULTS)
    config.write_text(_CONFIG.format(url=url) + models)
    made = subprocess.run(
        [sys.executable, "-m", "callgate", "keys", "create", "--name", "soak", "--json"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    told = folder / "worker.jsonl"
    watched = (sys.executable, "-m", "bench.soak.watched", str(told))
    with (folder / "serve.log").open("w") as log:
        process = subprocess.Popen(
            [*watched, "serve", "--port", "0", "--config", str(config)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    assert process.stdout is not None
    line = process.stdout.readline()
    try:
        port = int(line.split("http://127.0.0.1:")[1].split("/")[0].split()[0])
    except (IndexError, ValueError):
        Tree(process).stop()
        raise SystemExit(f"the gateway did not start: {line} {folder / 'serve.log'}") from None
    while not told.exists() or not told.read_text():
        time.sleep(0.05)
    gateway = Gateway(folder, process, port)
    try:
        yield gateway, json.loads(made.stdout)["key"]
    finally:
        gateway.stop()


async def _load(
    gateway: Gateway, callers: Callers, arguments: argparse.Namespace
) -> tuple[list[Sample], Sample, Sample]:
    """The samples under load, and one before and one after it."""
    await asyncio.sleep(2)
    before = gateway.sample(0, 0)
    seconds = arguments.minutes * 60
    start = time.monotonic()
    running = asyncio.create_task(callers.run(arguments.rate, seconds))
    samples: list[Sample] = []
    while not running.done():
        await asyncio.sleep(1)
        samples.append(gateway.sample(time.monotonic() - start, callers.in_progress))
        if len(samples) % 30 == 0:
            print(f"  {samples[-1]}", file=sys.stderr, flush=True)
    await running
    await callers.finish()
    end = time.monotonic() + _SETTLE
    while True:
        await asyncio.sleep(1)
        after = gateway.sample(time.monotonic() - start, callers.in_progress)
        calm = after.sockets <= before.sockets and after.tasks <= before.tasks
        if calm or time.monotonic() > end:
            return samples, before, after


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--rate", type=float, default=200.0, help="requests per second")
    parser.add_argument("--vanishing", type=float, default=0.05, help="share of such callers")
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


def _report(document: dict[str, Any]) -> None:
    memory, before, after = document["memory"], document["before"], document["after"]
    grown = f"{memory.mb:+.1f} MB after warm-up, {memory.mb_per_minute:+.2f} MB a minute"
    sent, missing, twice = document["sent"], document["missing"], document["twice"]
    wrong = document["outcomes"].get("wrong", 0)
    rows: list[tuple[str, str, bool]] = [
        ("memory", f"{grown}, scatter {memory.noise_mb:.1f} MB", memory.flat),
        *(
            (name, f"{was} before, {now} after", now <= was)
            for name, was, now in (
                ("sockets", before.sockets, after.sockets),
                ("tasks", before.tasks, after.tasks),
            )
        ),
        (
            "records",
            f"{sent:,} sent, {missing:,} not on record, {twice:,} twice",
            not missing and not twice,
        ),
        ("answers", f"{wrong:,} neither whole nor an error", not wrong),
    ]
    for name, count in sorted(document["outcomes"].items(), key=lambda row: -row[1]):
        print(f"  {count:>8,}  {name}")
    for name, told, good in rows:
        print(f"{'sound' if good else 'WRONG':<6} {name:<8} {told}")
    for fault in document["faults"]:
        print(f"  {fault}")
    document["sound"] = all(good for *_, good in rows)


def main() -> int:
    """Run the soak; the status is 1 where anything was left behind or came out wrong."""
    arguments = _arguments()
    _RESULTS.mkdir(exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=".soak-", dir=_RESULTS))
    started = datetime.now(UTC)
    with running_chaos() as chaos, _gateway(folder, chaos.url) as (gateway, key):
        callers = Callers(
            gateway.port,
            key,
            tuple(FAULTS),
            fallback="ok",
            vanishing=arguments.vanishing,
            seed=arguments.seed,
        )
        samples, before, after = asyncio.run(_load(gateway, callers, arguments))
    # Its end has shipped the last of its records.
    recorded = gateway.recorded(int(started.timestamp() * 1000))
    document = {
        "time": started.isoformat(timespec="seconds"),
        "machine": machine(),
        "minutes": arguments.minutes,
        "rate": arguments.rate,
        "vanishing": arguments.vanishing,
        "sent": len(callers.sent),
        "missing": len(callers.sent - set(recorded)),
        "twice": len(recorded) - len(set(recorded)),
        "outcomes": dict(callers.outcomes),
        "faults": callers.faults,
        "memory": growth(samples, warm_up=min(120.0, arguments.minutes * 20)),
        "before": before,
        "after": after,
        "samples": samples,
    }
    _report(document)
    path = _RESULTS / f"soak-{started:%Y-%m-%dT%H%M%S}.json"
    path.write_bytes(msgspec.json.format(msgspec.json.encode(document), indent=1) + b"\n")
    print(f"written: {path.relative_to(ROOT)}")
    if document["sound"]:
        rmtree(folder, ignore_errors=True)
    else:
        print(f"kept, with the gateway's log: {folder}", file=sys.stderr)
    return 0 if document["sound"] else 1


if __name__ == "__main__":
    sys.exit(main())
