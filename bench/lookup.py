"""`python -m bench.lookup`: how long it takes to find a record in a store that is full of them.

Fills a store with generated records of a month, some with retries and errors, and measures what
the API and the command line ask of it: one by its id, and lists of the newest day by each filter.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from bench.endure.servers import Postgres
from bench.figures import quantile
from callgate.core.chat import Usage
from callgate.core.entry import entries_of
from callgate.core.ids import uuid7
from callgate.core.record import Attempt, Record
from callgate.errors import TAXONOMY
from callgate.store.base import Query, Store
from callgate.store.opening import open_store
from callgate.store.records import Records

_DAY_MS = 86_400_000
_BATCH = 5000
_SAMPLES = 20_000
_ACCOUNTS = 200
_MODELS = 30
_SHAPES = 500
_SEED = 7
_RARE = "provider_refused"
_BY_ID_MS, _LIST_MS = 10.0, 200.0
_LIMIT = 20
_BUDGET_SECONDS = 0.5


class Measured(NamedTuple):
    """Milliseconds of one kind of question; `target` is for the p99, `cpu` the p99 of the time that
    the processor spent on it, which other programs do not lengthen.
    """

    what: str
    p50: float
    p99: float
    most: float
    cpu: float
    target: float


def shapes(chance: random.Random) -> list[bytes]:
    """Records without id and time, as JSON to be filled in: the mix of a busy gateway."""
    made = []
    for number in range(_SHAPES):
        error = _error(chance, number)
        kind = TAXONOMY[error] if error else None
        model = f"model-{int(chance.paretovariate(1.0)) % _MODELS}"
        tries = 0 if kind is not None and kind.origin == "client" else 1 + (chance.random() < 0.05)
        record = Record(
            request_id="%b",
            time=0,
            region="us",
            method="POST",
            path="/v1/chat/completions",
            status=kind.status if kind else 200,
            account=f"account-{int(chance.paretovariate(0.8)) % _ACCOUNTS}",
            key_id=f"key_{chance.getrandbits(40):010x}",
            user_agent="OpenAI/Python 2.8.1",
            client="10.0.3.17",
            model=model,
            model_served=model if not kind else None,
            provider="openai",
            stream=chance.random() < 0.5,
            parameters={"model": msgspec.Raw(b'"%s"' % model.encode()),
                        "max_tokens": msgspec.Raw(b"1000"), "temperature": msgspec.Raw(b"0.7")},
            message_count=3,
            prompt_bytes=chance.randrange(100, 20_000),
            prompt_sha256=f"{chance.getrandbits(256):064x}",
            error=error,
            origin=kind.origin if kind else None,
            message=kind.cause if kind else None,
            quota_model=model,
            quota_limit=600,
            quota_left=chance.randrange(600),
            usage=None if kind else Usage(input_tokens=812, output_tokens=144, total_tokens=956),
            cost_usd=None if kind else 0.002776,
            total_us=chance.randrange(200_000, 4_000_000),
            upstream_us=190_000,
            gateway_us=600,
            attempts=[_attempt(model, error, at) for at in range(tries)],
        )  # fmt: skip
        text = msgspec.json.encode(record).replace(b"%", b"%%")
        made.append(text.replace(b'"%%b","time":0', b'"%b","time":%d', 1))
    return made


def _error(chance: random.Random, number: int) -> str | None:
    if number == 0:
        return _RARE
    if chance.random() < 0.96:
        return None
    usual = ("rate_limited", "invalid_field", "provider_rate_limited", "upstream_timeout")
    return chance.choice(usual)


def _attempt(model: str, error: str | None, at: int) -> Attempt:
    return Attempt(
        model=model,
        provider="openai",
        deployment=f"openai/{model}",
        upstream_model=model,
        host="api.openai.com",
        started_us=410 + at * 900_000,
        duration_us=205_300,
        connect_us=18_200,
        headers_us=180_000,
        first_token_us=190_000,
        status=503 if error else 200,
        provider_request_id=f"req_{at}7f3a9c1b2d4e5f60718293a4b5c6d7e8",
        error=error,
        decision="done",
        reason="the answer is complete",
    )


def generate(
    count: int, span: int, now: int, chance: random.Random
) -> Iterator[tuple[list[str], list[bytes]]]:
    """Batches of records and their ids, spread evenly over `span` ms before `now` (Unix ms)."""
    patterns = shapes(chance)
    common = patterns[1:]
    step = span / count
    for begin in range(0, count, _BATCH):
        ids, bodies = [], []
        for at in range(begin, min(begin + _BATCH, count)):
            moment = int(now - span + at * step)
            request_id = uuid7(moment, chance.getrandbits(80))
            pattern = (
                patterns[0] if at % 100_000 == 0 else common[int(chance.random() * (_SHAPES - 1))]
            )
            ids.append(request_id)
            bodies.append(pattern % (request_id.encode(), moment))
        yield ids, bodies


def fill(store: Store, count: int, span: int, now: int) -> list[str]:
    """Put so many records into the store; a sample of their ids."""
    chance = random.Random(_SEED)
    sample: list[str] = []
    begun = time.monotonic()
    for number, (ids, bodies) in enumerate(generate(count, span, now, chance), 1):
        store.requests.append_many(entries_of(bodies)[0])
        sample += ids[:: max(1, count // _SAMPLES)]
        if number % 200 == 0:
            spent = time.monotonic() - begun
            print(f"  {number * _BATCH:>12,} records, {spent:.0f} s", file=sys.stderr, flush=True)
    return sample


def measured(what: str, target: float, times: int, ask: Callable[[], Any]) -> Measured:
    """Ask so often, one after the other."""
    spans, spent = [], []
    for _ in range(times):
        begun, used = time.perf_counter_ns(), time.process_time_ns()
        ask()
        spans.append((time.perf_counter_ns() - begun) / 1e6)
        spent.append((time.process_time_ns() - used) / 1e6)
    spans.sort()
    spent.sort()
    p50, p99 = quantile(spans, 0.5), quantile(spans, 0.99)
    return Measured(what, p50, p99, spans[-1], quantile(spent, 0.99), target)


def measure(
    store: Store, sample: Sequence[str], span: int, now: int, folder: Path
) -> list[Measured]:
    """The look-up by id all over the span, and the lists of the newest day."""
    chance = random.Random(_SEED)
    records = Records(store.requests, folder)

    def by_id() -> None:
        assert records.get(chance.choice(sample)) is not None

    def unknown() -> None:
        moment = now - chance.randrange(span)
        assert records.get(uuid7(moment, chance.getrandbits(80))) is None

    def listing(**filters: Any) -> Callable[[], object]:
        def ask() -> object:
            account = (
                f"account-{chance.randrange(_ACCOUNTS)}" if "everybody" not in filters else None
            )
            given = {name: value for name, value in filters.items() if name != "everybody"}
            query = Query(account=account, since=now - _DAY_MS, limit=_LIMIT, **given)
            return records.page(query, now - span, _BUDGET_SECONDS)

        return ask

    lists: dict[str, dict[str, Any]] = {
        "list of an account": {},
        "by model": {"model": "model-3"},
        "by status 5xx": {"status": 5},
        "by any error": {"failed": True},
        "by a rare error": {"error": _RARE},
        "by model and error": {"model": "model-3", "error": "rate_limited"},
        "list of everybody": {"everybody": True},
        "everybody, a rare error": {"everybody": True, "error": _RARE},
        "everybody, nothing found": {"everybody": True, "error": "bad_http"},
    }  # fmt: skip
    around = Query(model="model-1", since=now - 450_000, until=now - 150_000)
    return [
        measured("by id", _BY_ID_MS, 5000, by_id),
        measured("by an id that is not there", _BY_ID_MS, 2000, unknown),
        *(measured(name, _LIST_MS, 100, listing(**asked)) for name, asked in lists.items()),
        measured("count of five minutes", _LIST_MS, 200, lambda: records.tally(around)),
    ]


def main() -> int:
    """Fill, measure, print; the status is 1 where a target is missed."""
    parser = argparse.ArgumentParser(prog="python -m bench.lookup", description=__doc__)
    parser.add_argument("--records", type=int, default=10_000_000)
    parser.add_argument("--days", type=int, default=30, help="over how many the records are spread")
    parser.add_argument("--url", help="an empty database to fill; default: SQLite, removed after")
    parser.add_argument("--postgres", action="store_true", help="a PostgreSQL of the bench's own")
    parser.add_argument("--folder", type=Path, help="where these lie; need 2 KB a record")
    arguments = parser.parse_args()
    now, span = int(time.time() * 1000), arguments.days * _DAY_MS
    with contextlib.ExitStack() as stack:
        # A short path for sockets, in which another user may find his files: PostgreSQL's own.
        made = tempfile.TemporaryDirectory(
            prefix="callgate-lookup-", dir=arguments.folder, ignore_cleanup_errors=True
        )
        folder = Path(stack.enter_context(made))
        folder.chmod(0o755)
        url = arguments.url or f"sqlite:///{folder / 'callgate.db'}"
        if arguments.postgres:
            postgres = Postgres(folder / "pg")
            stack.callback(postgres.kill)
            postgres.execute("CREATE DATABASE bench")
            url = postgres.url("bench")
        store = open_store(url)
        stack.callback(store.close)
        begun = time.monotonic()
        sample = fill(store, arguments.records, span, now)
        spent = time.monotonic() - begun
        size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e9
        rows = measure(store, sample, span, now, folder / "journal")
    kind = url.partition(":")[0]
    place = kind if arguments.url else f"{size:.1f} GB of {kind}"
    load = os.getloadavg()[0]
    print(
        f"{arguments.records:,} records, {place}, filled in {spent:.0f} s; load average {load:.2f}"
    )
    print(f"{'ms':<28}{'p50':>9}{'p99':>9}{'most':>9}{'cpu p99':>9}{'target':>9}")
    for row in rows:
        verdict = "ok" if row.p99 <= row.target else "MISSED"
        print(
            f"{row.what:<28}{row.p50:>9.2f}{row.p99:>9.2f}{row.most:>9.2f}{row.cpu:>9.2f}"
            f"{row.target:>9.0f}  {verdict}"
        )
    return int(any(row.p99 > row.target for row in rows))


if __name__ == "__main__":
    sys.exit(main())
