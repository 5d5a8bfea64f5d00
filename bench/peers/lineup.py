"""Who takes part: each is installed, started, and asked until it answers rightly."""

from __future__ import annotations

import contextlib
import importlib.metadata
import time
from collections.abc import Callable
from pathlib import Path

from msgspec import Struct

from bench import nginx
from bench.connection import Connection, Outcome
from bench.gateway import Gateway, Settings
from bench.install import weigh
from bench.peers import litellm, portkey, prompt
from bench.peers.installation import run
from bench.subject import CALLGATE, DIRECT, NGINX, StartError, Subject, find_nginx
from bench.testbed import Testbed

BARE = "callgate off"
PEERS = {peer.NAME: peer for peer in (portkey, litellm)}
ORDER = (DIRECT, NGINX, CALLGATE, BARE, portkey.NAME, litellm.NAME)
_ON = Settings(
    model="token_limit = 1000000000000\nprice = { input = 2.0, output = 8.0 }",
    tables="""\
[accounts."*"]
tokens_per_minute = 1000000000000
budget_day = 1000000
budget_month = 1000000
[journal]
fsync = "second"
""",
)
_OFF = Settings(
    tables="""\
[metrics]
enabled = false
[capture]
header = false
"""
)
_PATIENCE = 90.0


class Lineup(Struct):
    """Who runs, and what starting them has told.

    `cold` is in seconds, `idle` and `sizes` in MB, `packages` a count; each by name. `notes` say
    who is missing, and why.
    """

    subjects: list[Subject] = []
    cold: dict[str, float] = {}
    idle: dict[str, float] = {}
    sizes: dict[str, float] = {}
    packages: dict[str, float] = {}
    versions: dict[str, str] = {}
    notes: list[str] = []


def line_up(testbed: Testbed, stack: contextlib.ExitStack) -> Lineup:
    """Start everybody beside the fake provider, one after the other; `stack` stops them."""
    direct = next(subject for subject in testbed.subjects if subject.name == DIRECT)
    lineup = Lineup(subjects=[direct])
    _enter(lineup, stack, NGINX, lambda: _nginx(testbed, lineup, direct.port))
    for name, settings in ((CALLGATE, _ON), (BARE, _OFF)):
        _enter(lineup, stack, name, _gateway(testbed, name, settings, direct.port))
    for name in PEERS:
        _enter(lineup, stack, name, _peer(testbed, lineup, name, direct.port))
    lineup.versions[CALLGATE] = importlib.metadata.version("callgate")
    lineup.sizes[CALLGATE], lineup.packages[CALLGATE] = weigh(testbed.folder)
    return lineup


def _enter(
    lineup: Lineup, stack: contextlib.ExitStack, name: str, start: Callable[[], Subject]
) -> None:
    try:
        began = time.monotonic()
        subject = start()
    except StartError as error:
        lineup.notes.append(f"{name} is not in it: {error}")
        return
    assert subject.tree is not None
    stack.callback(subject.tree.stop)
    try:
        _answered(subject)
        lineup.cold[name] = time.monotonic() - began
        _answered(subject, chunks=3)
    except StartError as error:
        lineup.notes.append(f"{name} is not in it: {error}")
        subject.tree.stop()
        return
    subject.tree.settle(limit=5)
    lineup.idle[name] = subject.tree.pss_kb() / 1024
    lineup.subjects.append(subject)


def _nginx(testbed: Testbed, lineup: Lineup, upstream: int) -> Subject:
    program = find_nginx()
    if not program:
        raise StartError("there is no nginx on this machine")
    said = run(["sh", "-c", f"{program} -v 2>&1"], testbed.folder)
    lineup.versions[NGINX] = said.strip().rpartition("/")[2]
    folder = testbed.folder / "nginx-peer"
    return nginx.start(program, folder, upstream, testbed.files, testbed.cores.subject)


def _gateway(
    testbed: Testbed, name: str, settings: Settings, upstream: int
) -> Callable[[], Subject]:
    folder = testbed.folder / name.replace(" ", "-")
    gateway = Gateway(folder, upstream, testbed.cores.subject, settings)
    gateway.create_key()
    return lambda: gateway.start()._replace(name=name)


def _peer(testbed: Testbed, lineup: Lineup, name: str, upstream: int) -> Callable[[], Subject]:
    peer = PEERS[name]

    def fail(error: StartError) -> Subject:
        raise error

    try:
        folder: Path = peer.install()
        lineup.sizes[name], lineup.packages[name] = peer.weigh(folder)
        lineup.versions |= peer.versions(folder)
    except StartError as error:
        missing = error
        return lambda: fail(missing)
    return lambda: peer.start(folder, testbed.folder, upstream, testbed.cores.subject)


def _answered(subject: Subject, chunks: int = 0) -> None:
    """Wait until a request is answered as it should be. Raises StartError."""
    end = time.monotonic() + _PATIENCE
    asked = prompt.job(subject, "closed", 0, chunks=chunks, connections=1)
    assert subject.tree is not None
    while True:
        try:
            connection = Connection(asked)
            break
        except OSError:
            if time.monotonic() > end or subject.tree.process.poll() is not None:
                raise StartError("nothing listens") from None
            time.sleep(0.005)
    connection.send(time.monotonic_ns())
    while (outcome := connection.receive()) is Outcome.PENDING and time.monotonic() < end:
        if connection.unsent:
            connection.go_on()
        time.sleep(0.0005)
    connection.close()
    if outcome is not Outcome.RIGHT:
        raise StartError(connection.fault or "no answer")
