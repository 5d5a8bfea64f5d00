"""What PostgreSQL and Redis see of a request, where records and limits go to them."""

from __future__ import annotations

import contextlib
import tempfile
import time
from pathlib import Path
from typing import cast

from bench import request
from bench.endure.servers import Postgres, Redis, ServerError
from bench.gateway import Gateway, Settings
from bench.job import Job
from bench.report import Figure
from bench.subject import CALLGATE, DIRECT, StartError, Subject
from bench.testbed import Testbed

_SCENARIO = "servers"
_WAIT = 30.0


class _Seen:
    """What both servers have counted so far."""

    def __init__(self, postgres: Postgres, redis: Redis) -> None:
        client = redis.client()
        commands = cast("dict[str, dict[str, float]]", client.info("commandstats"))
        cpu = cast("dict[str, float]", client.info("cpu"))
        client.close()
        # The commands that an EVALSHA runs inside are counted as well, so only it is.
        self.scripts = commands.get("cmdstat_evalsha", {}).get("calls", 0)
        self.redis_us = 1e6 * (cpu["used_cpu_user"] + cpu["used_cpu_sys"])
        [(commits, wal)] = postgres.execute(
            "SELECT (SELECT xact_commit FROM pg_stat_database WHERE datname = 'bench'),"
            " pg_current_wal_lsn() - '0/0'"
        )
        self.commits, self.wal = float(commits), float(wal)


def _records(postgres: Postgres) -> int:
    [(count,)] = postgres.execute("SELECT count(*) FROM records", "bench")
    return int(count)


def _size(postgres: Postgres) -> float:
    [(size,)] = postgres.execute("SELECT pg_database_size('bench')")
    return float(size)


def servers(testbed: Testbed) -> list[Figure]:
    """One worker under full load, and what its servers have counted once all is shipped."""
    upstream = next(subject.port for subject in testbed.subjects if subject.name == DIRECT)
    with contextlib.ExitStack() as stack:
        # A short path for sockets, in which another user may find his files: PostgreSQL's own.
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="callgate-bench-")))
        folder.chmod(0o755)
        try:
            postgres = Postgres(folder / "pg")
            stack.callback(postgres.kill)
            redis = Redis(folder / "rd")
            stack.callback(redis.kill)
        except (ServerError, ImportError) as error:
            raise StartError(f"no servers: {error}") from None
        postgres.execute("CREATE DATABASE bench")
        settings = Settings(store=postgres.url("bench"), counters=redis.url)
        gateway = Gateway(testbed.folder / "remote", upstream, testbed.cores.subject, settings)
        gateway.create_key()
        subject = gateway.start()
        assert subject.tree is not None
        stack.callback(subject.tree.stop)
        _load(testbed, subject, postgres, testbed.extent.warmup)
        size, records = _size(postgres), _records(postgres)
        before, cpu = _Seen(postgres, redis), subject.tree.cpu_ns()
        done = _load(testbed, subject, postgres, testbed.extent.seconds * testbed.extent.rounds)
        after, spent = _Seen(postgres, redis), subject.tree.cpu_ns() - cpu
        grown = (_size(postgres) - size) / max(_records(postgres) - records, 1)
    figures = {
        "Redis: scripts per request [1]": (after.scripts - before.scripts) / done,
        "Redis: CPU per request [us]": (after.redis_us - before.redis_us) / done,
        "PostgreSQL: transactions per 1,000 requests [1]": 1000
        * (after.commits - before.commits)
        / done,
        "PostgreSQL: WAL per request [bytes]": (after.wal - before.wal) / done,
        "PostgreSQL: a million records [GB]": grown / 1000,
        "gateway: CPU per request [us]": spent / 1000 / done,
    }
    return [
        Figure(
            scenario=_SCENARIO,
            metric=name.rpartition(" [")[0],
            unit=name.rpartition(" [")[2][:-1],
            rounds={CALLGATE: [value]},
        )
        for name, value in figures.items()
    ]


def _load(testbed: Testbed, subject: Subject, postgres: Postgres, seconds: float) -> int:
    """So many requests were answered, and are in the database."""
    before = _records(postgres)
    result = testbed.run(
        Job(
            mode="closed",
            port=subject.port,
            request=request.whole(subject.port, subject.key),
            connections=64,
            seconds=seconds,
            marker=subject.marker,
        )
    )
    end = time.monotonic() + _WAIT
    while _records(postgres) - before < result.requests and time.monotonic() < end:
        time.sleep(0.5)
    return max(result.requests, 1)
