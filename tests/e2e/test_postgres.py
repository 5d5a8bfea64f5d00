"""A gateway on PostgreSQL: the walk of a record, keys that change, a server killed under load."""

from __future__ import annotations

import os
import random
import re
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path
from threading import Event
from urllib.parse import quote

import httpx
import pytest

from callgate.core.keys import ENTROPY_BYTES, mint
from callgate.core.record import Record
from callgate.store.base import Query, UsageQuery
from callgate.store.journal.unshipped import scan
from callgate.store.opening import open_store
from gateway import Gateway, callgate, children, serving, until, write_config
from patience import PATIENCE, best_of
from pgserver import PASSWORD, PostgresServer
from provider import Provider

CHAT = "/v1/chat/completions"
GOOD = {"model": "test-ok", "messages": [{"role": "user", "content": "Hello?"}]}


@pytest.fixture(scope="module")
def url(postgres: PostgresServer) -> str:
    """A database that belongs to a user with a password."""
    url = postgres.fresh()
    name = url.partition("?")[0].rpartition("/")[2]
    postgres.execute(f"ALTER DATABASE {name} OWNER TO walled")
    return postgres.url(name, "walled", PASSWORD)


@pytest.fixture(scope="module")
def on_postgres(
    url: str, provider: Provider, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    folder = tmp_path_factory.mktemp("postgres")
    write_config(folder, provider, extra=f'[store]\nurl = "{url}"\n')
    with serving(folder, "--workers", "2") as running:
        yield running
    assert PASSWORD not in running.log


def stored(url: str, wanted: set[str]) -> list[Record]:
    """The records in the store, once all that are wanted are there."""
    with closing(open_store(url)) as store:
        until(lambda: all(store.requests.get(one) is not None for one in wanted))
        return list(store.requests.find(Query(limit=10**6)))


def ask(gateway: Gateway, key: str = "") -> httpx.Response:
    with gateway.client(key or None) as client:
        return client.post(CHAT, json=GOOD)


def test_a_request_is_on_record_and_found_by_its_id(on_postgres: Gateway, url: str) -> None:
    answer = ask(on_postgres)
    assert answer.status_code == 200
    request_id = answer.headers["x-request-id"]
    assert [one.status for one in stored(url, {request_id}) if one.request_id == request_id] == [
        200
    ]
    shown = on_postgres.run("show", request_id)
    assert request_id in shown.stdout, shown.stderr


@best_of(5)
def test_keys_and_models_take_effect_within_two_seconds(on_postgres: Gateway) -> None:
    made = on_postgres.new_key()
    limit = str(random.randrange(10**5, 10**9))
    assert ask(on_postgres, made["key"]).status_code == 200
    assert on_postgres.run("models", "set", "test-ok", "--rate-limit", limit).returncode == 0
    assert on_postgres.run("keys", "revoke", made["id"]).returncode == 0
    changed = time.monotonic()

    def followed() -> bool:
        # A fresh connection each time, so that both workers are asked.
        with on_postgres.client(made["key"], headers={"connection": "close"}) as client:
            refused = {client.post(CHAT, json=GOOD).status_code for _ in range(6)}
            shown = [client.get("/v1/models/test-ok").json() for _ in range(6)]
        return refused == {401} and {str(one["rate_limit"]) for one in shown} == {limit}

    until(followed)
    assert time.monotonic() - changed < 2.0


def test_the_server_is_killed_under_load_and_nothing_fails_waits_or_is_lost(
    on_postgres: Gateway, url: str, postgres: PostgresServer
) -> None:
    done = Event()

    seen: list[tuple[int, str]] = []
    spans: list[float] = []

    def load(_number: int) -> None:
        with on_postgres.client() as client:
            while not done.is_set():
                begun = time.perf_counter()
                answer = client.post(CHAT, json=GOOD)
                spans.append(time.perf_counter() - begun)
                seen.append((answer.status_code, answer.headers["x-request-id"]))
                time.sleep(0.01)

    def usual(many: list[float]) -> float:
        """What most take at least, where a busy machine makes some late."""
        return sorted(many)[len(many) // 4]

    def told_of_store() -> bool:
        ready = ready_of(on_postgres)
        assert ready.status_code == 200
        return "store" in ready.text

    longer: list[float] = []
    with ThreadPoolExecutor(3) as pool:
        working = [pool.submit(load, number) for number in range(2)]
        try:
            for _ in range(2):
                known = len(seen)
                until(lambda: len(seen) > known + 20)  # noqa: B023 - called at once
                before = usual(spans[-20:])
                postgres.kill()
                known = len(seen)
                # A hundred answers while the server is away: nobody waits for it.
                until(lambda: len(seen) > known + 100)  # noqa: B023 - called at once
                longer.append(usual(spans[-80:]) - before)
                until(told_of_store)
                refused = ask(on_postgres, mint("us", bytes(range(ENTROPY_BYTES))))
                assert refused.json()["error"]["type"] == "keys_unavailable"
                postgres.start()
        finally:
            done.set()
            if not postgres.running:
                postgres.start()
        for one in working:
            one.result(PATIENCE)
    assert {status for status, _ in seen} == {200}
    assert min(longer) < 0.06
    wanted = {request_id for _, request_id in seen}
    found = [record.request_id for record in stored(url, wanted)]
    assert len(found) == len(set(found))
    assert wanted <= set(found)
    until(lambda: ready_of(on_postgres).json()["status"] == "ok")


def test_workers_and_clerk_are_killed_under_load_and_no_record_is_lost_or_counted_twice(
    on_postgres: Gateway, url: str
) -> None:
    done, chance = Event(), random.Random(1)

    whole: set[str] = set()

    def load(number: int) -> None:
        asked = {**GOOD, "stream": bool(number % 2)}
        while not done.is_set():
            with on_postgres.client() as client, suppress(httpx.HTTPError):
                while not done.is_set():
                    answer = client.post(CHAT, json=asked)
                    assert answer.status_code == 200
                    if not asked["stream"] or answer.text.endswith("data: [DONE]\n\n"):
                        whole.add(answer.headers["x-request-id"])
                    time.sleep(0.01)

    with ThreadPoolExecutor(4) as pool:
        working = [pool.submit(load, number) for number in range(4)]
        try:
            for _ in range(8):
                known = len(whole)
                until(lambda: len(whole) > known + 5)  # noqa: B023 - called at once
                time.sleep(chance.uniform(0.0, 0.1))
                os.kill(chance.choice(children(on_postgres.process.pid)), signal.SIGKILL)
        finally:
            done.set()
        for one in working:
            one.result(PATIENCE)
    found = [record.request_id for record in stored(url, whole)]
    assert len(found) == len(set(found))
    assert whole <= set(found)
    journal = on_postgres.folder / "callgate-data" / "journal"
    until(lambda: not any(True for _ in scan(journal)))
    with closing(open_store(url)) as store:
        (total,) = store.requests.usage(UsageQuery())
        assert total.requests == sum(1 for _ in store.requests.find(Query(limit=10**6)))
    until(lambda: len(children(on_postgres.process.pid)) == 3)


def test_a_worker_that_is_replaced_while_the_server_is_away_goes_on_with_the_keys_it_knew(
    on_postgres: Gateway, postgres: PostgresServer
) -> None:
    postgres.kill()
    try:
        fallen = [pid for pid in children(on_postgres.process.pid) if is_worker(pid)]
        for pid in fallen:
            os.kill(pid, signal.SIGKILL)
        until(lambda: not set(fallen) & set(children(on_postgres.process.pid)))
        assert ask(on_postgres).status_code == 200
    finally:
        postgres.start()
    until(lambda: ready_of(on_postgres).json()["status"] == "ok")


def ready_of(gateway: Gateway) -> httpx.Response:
    return httpx.get(f"{gateway.url}/ready", timeout=PATIENCE, verify=False)


def is_worker(pid: int) -> bool:
    """Whether the process listens; the clerk does not."""
    listening = Path("/proc/net/tcp").read_text().splitlines()[1:]
    inodes = {line.split()[9] for line in listening if line.split()[3] == "0A"}
    held = set()
    with suppress(FileNotFoundError):  # it has just ended
        for link in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(FileNotFoundError):  # closed meanwhile
                held.add(str(link.readlink()))
    return any(f"socket:[{inode}]" in held for inode in inodes)


def test_a_server_that_goes_before_the_first_worker_has_read_the_keys_is_an_outage_like_any(
    provider: Provider, tmp_path: Path, postgres: PostgresServer
) -> None:
    write_config(tmp_path, provider, extra=f'[store]\nurl = "{postgres.fresh()}"\n')
    try:
        with serving(tmp_path) as gateway:
            postgres.kill()
            assert ask(gateway).status_code == 200
            assert "fell" not in gateway.log
    finally:
        if not postgres.running:
            postgres.start()


def test_another_store_that_cannot_be_reached_is_no_new_configuration(
    on_postgres: Gateway,
) -> None:
    path = on_postgres.folder / "callgate.toml"
    text = path.read_text()
    try:
        url = "postgresql://nobody:hunter2@127.0.0.1:1/absent"
        path.write_text(re.sub(r'url = "postgresql:.*"', f'url = "{url}"', text))
        os.kill(on_postgres.process.pid, signal.SIGHUP)
        until(lambda: "is refused" in on_postgres.log)
    finally:
        path.write_text(text)
    (line,) = [line for line in on_postgres.log.splitlines() if "is refused" in line]
    assert "store.url" in line
    assert "hunter2" not in on_postgres.log
    assert ask(on_postgres).status_code == 200


def test_a_store_that_cannot_be_used_stops_the_start(
    provider: Provider, tmp_path: Path, postgres: PostgresServer
) -> None:
    url = postgres.url("absent", "walled", PASSWORD)
    write_config(tmp_path, provider, extra=f'[store]\nurl = "{url}"\n')
    started = callgate(tmp_path, "serve", "--port", "0")
    assert started.returncode == 2
    assert "store.url" in started.stderr
    assert '"absent" does not exist' in started.stderr
    checked = callgate(tmp_path, "check", "--offline")
    assert checked.returncode == 1
    for text in (started.stderr, started.stdout, checked.stdout, checked.stderr):
        assert PASSWORD not in text
        assert quote(PASSWORD, safe="") not in text
    assert [path.name for path in tmp_path.iterdir()] == ["callgate.toml"]
