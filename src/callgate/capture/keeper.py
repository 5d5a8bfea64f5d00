"""The keeper of captures in one worker: a thread that scrubs, compresses and writes."""

from __future__ import annotations

import logging
import platform
import queue
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

import msgspec

from callgate.capture import files
from callgate.capture.scrubbing import scrubbed
from callgate.core.allowance import Allowance, allowance_of
from callgate.core.captured import Caller, Captured, Mode, encode_hook
from callgate.core.directory import Directory
from callgate.core.models import Model
from callgate.core.scrub import blot_known, known
from callgate.core.secret import Secret
from callgate.engine.call import Call
from callgate.engine.tape import Tape

_HELD_BYTES = 64 << 20
_HELD = 1000
_LAST_SECONDS = 5.0
_COMPLAIN_SECONDS = 60.0
_log = logging.getLogger("callgate.capture")


class CaptureKeeper:
    """Begins tapes of at most `max_bytes` and writes what is on them to files under `folder`.

    The thread starts with the first tape to be kept. What waits for it is bounded; beyond that,
    and where the disk fails, captures are given up: `lost` counts them, and the log tells.
    `settings` is what a replay needs of the configuration, as JSON; `accounts` are allowances by
    name.
    """

    def __init__(
        self,
        folder: Path,
        directory: Directory,
        settings: bytes,
        accounts: Mapping[str, Allowance],
        *,
        gateway: str,
        max_bytes: int,
    ) -> None:
        self.lost = 0
        self._folder = folder
        self._settings = settings
        self._gateway = gateway
        self._machine = platform.node() or "localhost"
        self._max_bytes = max_bytes
        self._credentials: dict[str, Secret] = {}
        self.follow(directory, accounts)
        self._waiting: queue.SimpleQueue[tuple[Call, Tape] | None] = queue.SimpleQueue()
        self._held = 0
        self._thread: threading.Thread | None = None
        self._encoded: dict[str, tuple[Model, bytes]] = {}
        self._complain_at = 0.0

    def follow(self, directory: Directory, accounts: Mapping[str, Allowance]) -> None:
        """Go by these from now on. Calls under way are captured with what they began with."""
        self._directory, self._accounts = directory, accounts
        found = {one.reveal(): one for one in secrets_of(directory.served.values())}
        self._credentials = {**self._credentials, **found}
        self._secrets = known(list(self._credentials.values()))

    def tape(self, request_id: str, mode: Mode, started: int) -> Tape:
        """A new tape for a request."""
        place = f"{self._machine}:{files.place(request_id)}"
        return Tape(mode, started, place, self._max_bytes)

    def keep(self, call: Call) -> None:
        """Take the tape of a call that is over. Never raises, never waits."""
        tape = call.tape
        if tape is None or not tape.wanted or call.key is None:
            return
        if self._held + tape.size > _HELD_BYTES or self._waiting.qsize() >= _HELD:
            self._give_up("too many wait to be written")
            return
        self._held += tape.size
        self._waiting.put((call, tape))
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="captures", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """Write what waits, for a few seconds at most."""
        if self._thread is not None:
            self._waiting.put(None)
            self._thread.join(_LAST_SECONDS)

    def _work(self) -> None:
        while (taken := self._waiting.get()) is not None:
            call, tape = taken
            try:
                files.write(self._folder, scrubbed(self._captured(call, tape), self._secrets))
            except OSError as error:
                self._give_up(error.strerror or "the disk failed")
            except Exception:  # the next one may fare better
                self.lost += 1
                _log.exception("a capture failed", extra={"request_id": call.request_id})
            self._held -= tape.size

    def _give_up(self, why: str) -> None:
        self.lost += 1
        now = time.monotonic()
        if now >= self._complain_at:
            self._complain_at = now + _COMPLAIN_SECONDS
            _log.error("captures are lost", extra={"lost": self.lost, "detail": why})

    def _captured(self, call: Call, tape: Tape) -> Captured:
        key = call.key
        assert key is not None
        directory = tape.directory or self._directory
        accounts = self._accounts if tape.directory is None else tape.accounts
        served = directory.served
        asked = _asked(call, served)
        unknown = [name for name in asked if name not in served]
        return Captured(
            gateway=self._gateway,
            machine=self._machine,
            request_id=call.request_id,
            arrived=call.arrived,
            method=call.method,
            path=call.path,
            caller=Caller(
                id=key.id,
                account=key.account,
                models=key.models,
                limits=dict(key.limits),
                allowance=key.allowance,
                of_account=allowance_of(accounts, key.account),
            ),
            headers=tape.headers,
            body=tape.body,
            status=tape.status,
            answer_headers=[
                (name.decode("latin-1"), value.decode("latin-1"))
                for name, value in tape.answer_headers
            ],
            pieces=tape.pieces,
            ended=tape.ended,
            cut=tape.cut,
            exchanges=tape.exchanges,
            windows=tape.windows,
            out=tape.out,
            models=[self._encode(served[name]) for name in asked if name in served],
            names=list(served) if unknown else [],
            absent=[found for name in unknown if (found := directory.absent(name)) is not None],
            settings=self._settings,
            record=tape.record,
            draws=tape.draws,
            unread=tape.unread,
        )

    def _encode(self, model: Model) -> bytes:
        found = self._encoded.get(model.name)
        if found is None or found[0] is not model:
            encoded = msgspec.json.encode(_blotted(model), enc_hook=encode_hook)
            found = self._encoded[model.name] = (model, encoded)
        return found[1]


def _asked(call: Call, served: Mapping[str, Model]) -> list[str]:
    """The names of models that bore on the answer."""
    asked = [call.model_asked] if call.model_asked is not None else []
    if call.request is not None:
        given = call.request.body.fallbacks or ()
        asked += [name for one in given if isinstance(name := one.get("model"), str)]
    asked += [name for one in asked if one in served for name in served[one].fallbacks]
    asked += [attempt.model for attempt in call.attempts]
    return list(dict.fromkeys(asked))


def secrets_of(models: Iterable[Model]) -> list[Secret]:
    """Every credential by which these models are reached."""
    found: dict[str, Secret] = {}
    for model in models:
        for deployment in model.deployments:
            options: Mapping[str, str] = deployment.options
            own = Secret(options.get("access_key_id", ""))
            for secret in (deployment.secret, deployment.session_token, own):
                if secret:
                    found[secret.reveal()] = secret
    return list(found.values())


def _blotted(model: Model) -> Model:
    def blank(secret: Secret) -> Secret:
        return Secret(blot_known(secret.reveal().encode()).decode("utf-8", "replace"))

    deployments = tuple(
        replace(one, secret=blank(one.secret), session_token=blank(one.session_token))
        for one in model.deployments
    )
    return replace(model, deployments=deployments)
