"""A captured request through this version of the gateway, with the providers' recorded bytes.

The whole gateway runs in this process, from the door to the dialects; only the connections to
providers, the windows of limits, chance and pauses are as recorded. So it takes no time to wait for
what was waited for, and a connection that broke breaks at the same byte.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import MutableMapping, Sequence
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, cast

import msgspec

from callgate.app import build_worker
from callgate.config import Config
from callgate.config.load import Network
from callgate.config.settings import AccountTable, Settings
from callgate.core import keys
from callgate.core.captured import HEADER, Captured, decode_hook
from callgate.core.directory import Directory
from callgate.core.http import HttpRequest, Origin
from callgate.core.models import Deployment, Model, Vendor
from callgate.core.record import Record
from callgate.core.secret import Secret
from callgate.engine.healthtable import HealthTable
from callgate.engine.hedge import HEDGED
from callgate.errors import GatewayError
from callgate.replay.world import (
    NoOverrides,
    NoRequests,
    RecordedCounters,
    RecordedTransport,
    keys_of,
)
from callgate.store.base import RequestLog, Store
from callgate.store.journal.journal import Journal
from callgate.store.journal.unshipped import scan
from callgate.web.head import Head
from callgate.web.reply import DEGRADED
from callgate.world import World, health_table

_LONG = 86400.0
_SECONDS = 60.0
_PACES, _QUICK = 128, 0.01


class ReplayError(Exception):
    """A capture cannot be replayed; the message says why, for people."""


class Rerun(NamedTuple):
    """What came of it: the response, what was to be sent to providers, and the record."""

    status: int
    headers: Sequence[tuple[str, str]]
    answer: bytes
    sent: Sequence[HttpRequest]
    record: Record | None


def rerun(captured: Captured) -> Rerun:
    """Let the gateway answer the captured request once more. Raises ReplayError."""
    if captured.cut:
        raise ReplayError("the capture is incomplete: the request was larger than is kept")
    with tempfile.TemporaryDirectory(prefix="callgate-replay-") as folder:
        try:
            config = _config(captured, Path(folder))
            record = msgspec.json.decode(captured.record, type=Record)
        except (ValueError, RecursionError, NotImplementedError) as error:
            told = f"this version does not know what was captured of the configuration: {error}"
            raise ReplayError(told) from None
        return asyncio.run(_rerun(captured, config, record))


async def _rerun(captured: Captured, config: Config, record: Record) -> Rerun:
    hedged = any(note.startswith(HEDGED) for note in record.notes)
    caller = _Caller(captured, record, hedged=hedged)
    client = RecordedTransport(captured.exchanges, caller.leave, hedged=hedged)
    text = keys.mint(config.region, bytes(keys.ENTROPY_BYTES))
    with closing(Journal(config.journal_dir)) as journal:
        world = World(
            store=Store(
                keys_of(captured, keys.digest(text)),
                cast("RequestLog", NoRequests()),
                NoOverrides(),
                _nothing,
            ),
            journal=journal,
            counters=_counters(captured, record),
            client=client,
            health=_health(captured, config, record, hedged=hedged),
            chance=lambda: 0.0,  # the first of the deployments, and no jitter
            pause=_no_pause,
        )
        with build_worker(config, world) as worker:
            await caller.call(worker.gate, text)
        await client.aclose()
        told = next(scan(config.journal_dir), None)
    return Rerun(caller.status, caller.answer_headers, b"".join(caller.answer), client.sent, told)


class _Caller:
    """Sends the captured request and takes the response; leaves where the caller left, and where
    the gateway ended, it ends.
    """

    def __init__(self, captured: Captured, record: Record, *, hedged: bool) -> None:
        self._captured = captured
        self._left = record.error == "client_disconnected" or not hedged
        self._ended = record.error == "overloaded"
        self._unsent = captured.status == 0 and not captured.body and self._left
        self._task: asyncio.Task[None] | None = None
        self.gone = self.unread = False
        self.status = 0
        self.answer_headers: list[tuple[str, str]] = []
        self.answer: list[bytes] = []

    async def call(self, gate: Any, key: str) -> None:
        captured = self._captured
        headers = [(name.encode(), value.encode("latin-1")) for name, value in captured.headers]
        sent = {name: value for name, value in headers if name != HEADER}
        sent[b"authorization"] = key.encode()
        path = captured.path
        client = ("127.0.0.1", 0)
        head = Head(captured.method, path, path.encode(), b"", "1.1", sent, client, None)
        self._task = asyncio.ensure_future(gate.serve(head, self))
        async with asyncio.timeout(_SECONDS):
            with suppress(asyncio.CancelledError):
                await self._task

    async def leave(self) -> None:
        """Hang up, as the door tells the gate; or an attempt was broken off. Does not come back."""
        assert self._task is not None
        if self._left:
            self.gone = not self._ended
            self._task.cancel()
        await asyncio.Event().wait()

    def arrived(self, _limit: int) -> None:
        """Of the body nothing is here yet: it has to be received."""

    def push(self, body: bytes) -> bool:
        """Take a piece of a streamed answer."""
        self.answer.append(body)
        return True

    def respond(self, *_: object) -> bool:
        """A whole answer is sent as it would be by the door, had the caller read too slowly."""
        return False

    def start(self, *_: object) -> bool:
        """So is the beginning of a streamed one."""
        return False

    async def receive(self) -> MutableMapping[str, Any]:
        if self._captured.unread is not None:
            raise self._captured.unread.error()
        if self._unsent:
            await self.leave()
        return {"type": "http.request", "body": self._captured.body, "more_body": False}

    async def send(self, message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.answer_headers = [
                (name.decode("latin-1"), value.decode("latin-1"))
                for name, value in message["headers"]
            ]
        elif body := message.get("body", b""):
            self.answer.append(body)


def _config(captured: Captured, folder: Path) -> Config:
    settings = msgspec.json.decode(captured.settings, type=Settings)
    if (own := captured.caller.of_account) is not None:
        table = msgspec.convert(msgspec.to_builtins(own), AccountTable)
        accounts = {captured.caller.account: table}
        settings = msgspec.structs.replace(settings, accounts=accounts)
    attempts = msgspec.json.decode(captured.record, type=Record).attempts
    tried = [one.deployment for one in sorted(attempts, key=lambda one: one.started_us)]
    models = [
        _replayed(msgspec.json.decode(one, type=Model, dec_hook=decode_hook), tried)
        for one in captured.models
    ]
    served = {name: _stub(name) for name in captured.names}
    served |= {model.name: model for model in models}
    directory = Directory(
        served,
        {one.name: one for one in captured.absent},
        region=settings.region,
        endpoints=settings.region_endpoints,
    )
    return Config(
        settings=settings,
        directory=directory,
        home=folder,
        data_dir=folder,
        store_url="",
        network=Network(),
    )


def _counters(captured: Captured, record: Record) -> RecordedCounters:
    refusal = None
    if record.error == "limits_unavailable":
        refusal = GatewayError(record.error, record.message or "")
    exact = DEGRADED[0].decode() not in dict(captured.answer_headers)
    return RecordedCounters(captured, refusal, exact=exact)


def _stub(name: str) -> Model:
    """A model that is only known by name: nobody asked it."""
    deployment = Deployment(
        id=name,
        provider="",
        vendor=Vendor(name="", dialect="openai", auth="none"),
        upstream_model=name,
        origin=Origin("http", "localhost", 80),
        path="",
        secret=Secret(""),
    )
    return Model(name=name, deployments=(deployment,))


def _replayed(model: Model, tried: Sequence[str]) -> Model:
    """The model without its need for credentials, what was tried first in front."""
    deployments = [
        replace(one, vendor=replace(one.vendor, auth="none")) for one in model.deployments
    ]
    own = {one.id for one in deployments}
    first = next((id_ for id_ in tried if id_ in own), None)
    deployments.sort(key=lambda one: one.id != first)
    return replace(model, deployments=tuple(deployments))


def _health(captured: Captured, config: Config, record: Record, *, hedged: bool) -> HealthTable:
    """What was left alone from the start is left alone again, what was found slow is so again."""
    table = health_table(config)
    for attempt in record.attempts if hedged else ():
        pace = table[attempt.deployment].pace(stream=record.stream)
        for _ in range(_PACES):
            pace.add(_QUICK)
    now = time.monotonic()
    tried = {attempt.deployment for attempt in record.attempts}
    for deployment, resting in captured.out:
        if deployment in tried:
            continue  # its failures come about again
        if resting:
            table[deployment].rest(now, _LONG)
        else:
            for _ in range(config.settings.breaker.calls):
                table[deployment].failed(now)
    return table


async def _no_pause(_seconds: float) -> None:
    await asyncio.sleep(0)


def _nothing() -> None:
    """There is no store to close."""
