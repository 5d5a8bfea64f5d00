"""What `/ready` looks at in a worker: its store, its counters, its providers, its journal."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from callgate.effect import Effect
from callgate.engine.healthtable import HealthTable
from callgate.files import Files
from callgate.store.base import Counters
from callgate.store.journal.journal import Journal
from callgate.store.journal.unshipped import backlog
from callgate.web.keyring import Keyring
from callgate.web.shapes import Finding
from callgate.web.status import Check

_BACKLOG_ALARM_SECONDS = 30.0
_MOST_TOLD = 10


def store_check(keyring: Keyring) -> Check:
    """Whether the store answers."""

    def store() -> Finding:
        if keyring.trouble is None:
            return Finding(part="store")
        return Finding(
            part="store",
            state="degraded",
            why=f"{keyring.trouble}; keys are served from memory",
            fix="Look at the store that `store.url` names and at the disk it is on.",
        )

    return store


def configuration_check(changed: Callable[[], Sequence[Path]]) -> Check:
    """Whether the files that the configuration was read from, or which of them, have changed."""

    def configuration() -> Finding:
        if not (files := changed()):
            return Finding(part="configuration")
        names = ", ".join(map(str, files[:_MOST_TOLD]))
        return Finding(
            part="configuration",
            state="degraded",
            why=f"not in effect as it stands now: {names} changed since it was read, or is gone",
            fix="Send SIGHUP to the supervisor; if it refuses the change, the log says why.",
        )

    return configuration


def overrides_check(effect: Effect) -> Check:
    """Whether all that operators have set is in effect."""

    def overrides() -> Finding:
        if not effect.passed:
            return Finding(part="overrides")
        return Finding(
            part="overrides",
            state="degraded",
            why="; ".join(map(str, effect.passed[:_MOST_TOLD])),
            fix="Remove them with `callgate models reset NAME` or `callgate accounts reset NAME`, "
            "or correct the configuration.",
        )

    return overrides


def counters_check(counters: Counters) -> Check:
    """Whether limits are exact."""

    def count() -> Finding:
        if counters.trouble is None and counters.caution is None:
            return Finding(part="counters")
        if counters.trouble is None and counters.caution is not None:
            what, fix = counters.caution
            return Finding(part="counters", state="degraded", why=what, fix=fix)
        return Finding(
            part="counters",
            state="degraded",
            why=f"{counters.trouble}; each process admits its share of every limit",
            fix="Check the server that `counters.url` names; exact counting resumes by itself.",
        )

    return count


def provider_check(health_table: HealthTable) -> Check:
    """Whether any deployment is being left alone, or turns this gateway away."""

    def providers() -> Finding:
        now, told, fixes = time.monotonic(), [], []
        table = sorted(health_table.items())
        if out := [name for name, health in table if health.circuit(now) != "closed"]:
            told.append(f"the circuit is open for: {', '.join(out)}")
            fixes.append("Check the provider's status page, and the errors in `callgate logs`.")
        if refusing := [name for name, health in table if health.refuses(now)]:
            # While others answer, callers notice nothing of it.
            told.append(f"the key, its account or the model is refused by: {', '.join(refusing)}")
            fixes.append("Run `callgate check`, which asks the providers what they refuse.")
        if not told:
            return Finding(part="providers")
        return Finding(part="providers", state="degraded", why="; ".join(told), fix=" ".join(fixes))

    return providers


def journal_check(journal: Journal, folder: Path) -> Check:
    """Whether records are written, and shipped to the store in good time."""

    def records() -> Finding:
        if journal.degraded is not None:
            return Finding(
                part="journal",
                state="degraded",
                why=journal.degraded,
                fix=f"Free space on the disk that holds {folder}, and check its permissions.",
            )
        waiting = backlog(folder, time.time())
        if waiting.oldest_age is not None and waiting.oldest_age > _BACKLOG_ALARM_SECONDS:
            return Finding(
                part="journal",
                state="degraded",
                why=f"{waiting.bytes:,} bytes of records wait for the store, the oldest for "
                f"{waiting.oldest_age:.0f} s",
                fix="Check the store that `store.url` names, its disk, and what the clerk logs; "
                "the records are safe meanwhile.",
            )
        return Finding(part="journal")

    return records


def files_check(files: Files) -> Check:
    """Whether more connections can be made."""

    def opened() -> Finding:
        if not files.lacking():
            return Finding(part="files")
        return Finding(
            part="files",
            state="degraded",
            why=f"of the {files.limit:,} files that the process may open, only the "
            f"{files.limit - files.bound} in reserve are left: chat requests are refused",
            fix="Let it open more (`LimitNOFILE` of the service, `ulimit -n`, `--ulimit nofile` of "
            "a container; an open stream takes two), or add workers.",
        )

    return opened
