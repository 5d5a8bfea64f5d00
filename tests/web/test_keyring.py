"""The keyring: what it asks the store, and what it says when the store is away or slow."""

from __future__ import annotations

import asyncio
import stat
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from callgate.app import load_keys
from callgate.errors import GatewayError
from callgate.store.base import Key, StoreError
from callgate.store.remembered import RememberedKeys
from callgate.web import keyring
from callgate.web.keyring import Keyring
from patience import PATIENCE


class Store:
    """Keys in a dict, which count questions, may fail and may be slow."""

    def __init__(self, *keys: Key) -> None:
        self.keys = {key.digest: key for key in keys}
        self.asked = 0
        self.versions = 0
        self.away = False
        self.at = 1
        self.hung: threading.Event | None = None
        self.hanging = 0

    def hang(self) -> None:
        if self.hung is not None:
            self.hanging += 1
            self.hung.wait(PATIENCE)

    def version(self) -> int:
        self.versions += 1
        self.hang()
        if self.away:
            raise StoreError("the disk is on fire")
        return self.at

    def all(self) -> Sequence[Key]:
        return list(self.keys.values())

    def find(self, digest: bytes) -> Key | None:
        self.asked += 1
        self.hang()
        if self.away:
            raise StoreError("the disk is on fire")
        return self.keys.get(digest)

    def add(self, key: Key) -> None:
        self.keys[key.digest] = key
        self.at += 1

    def revoke(self, key_id: str, at: int) -> bool:
        raise NotImplementedError

    def change(self, key_id: str, edit: Callable[[Key], Key]) -> Key | None:
        (found,) = (key for key in self.keys.values() if key.id == key_id)
        self.keys[found.digest] = edited = edit(found)
        self.at += 1
        return edited


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def key(
    name: bytes, expires: int | None = None, revoked: int | None = None, unreadable: str = ""
) -> Key:
    return Key(
        id=f"key_{name.decode()}", digest=name, hint="", name="", account="a", region="us",
        created=0, expires=expires, revoked=revoked, unreadable=unreadable,
    )  # fmt: skip


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """No busy machine is taken for a slow store."""
    monkeypatch.setattr(keyring, "_PATIENCE", PATIENCE)
    monkeypatch.setattr(keyring, "_LOOK_UP_PATIENCE", PATIENCE)


async def test_known_keys_are_never_asked_for() -> None:
    store = Store(key(b"1"))
    ring = Keyring(store, Clock())
    ring.load()
    for _ in range(1000):
        assert ring.cached(b"1") is not None
    assert (await ring.find(b"1")).digest == b"1"
    assert store.asked == 0


async def test_a_changed_key_is_taken_as_it_is_now_however_it_comes() -> None:
    store = Store(key(b"1"))
    ring = Keyring(store, Clock())
    ring.load()
    ring.learn(b"Bearer 1", await ring.find(b"1"))
    store.change("key_1", lambda one: msgspec.structs.replace(one, limits={"m": 9}))
    ring.load()
    assert ring.known(b"Bearer 1") is None
    assert (await ring.find(b"1")).limits == {"m": 9}


async def test_a_flood_of_unknown_keys_is_no_flood_of_questions() -> None:
    store, clock = Store(), Clock()
    ring = Keyring(store, clock)
    ring.load()
    attempts = [ring.find(b"%d" % number) for number in range(10_000)]
    results = await asyncio.gather(*attempts, return_exceptions=True)
    assert {error.kind.type for error in results if isinstance(error, GatewayError)} == {
        "unauthorized"
    }
    assert len(results) == 10_000
    assert 0 < store.asked <= 20
    clock.now += 1  # a second later there is a new budget
    store.add(key(b"new"))
    assert (await ring.find(b"new")).digest == b"new"


async def test_the_same_unknown_key_is_asked_for_once() -> None:
    store, clock = Store(), Clock()
    ring = Keyring(store, clock)
    ring.load()
    for _ in range(50):
        with pytest.raises(GatewayError):
            await ring.find(b"x")
    assert store.asked == 1
    clock.now += 1.5
    with pytest.raises(GatewayError):
        await ring.find(b"x")
    assert store.asked == 2


async def test_what_is_remembered_of_unknown_keys_is_bounded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(keyring, "_MAX_MISSES", 2)
    store = Store()
    ring = Keyring(store, Clock())
    ring.load()
    for name, asked in ((b"1", 1), (b"2", 2), (b"3", 3), (b"2", 3), (b"3", 3), (b"1", 4)):
        with pytest.raises(GatewayError):
            await ring.find(name)
        assert store.asked == asked


async def test_a_new_key_is_found_by_all_who_come_with_it_at_once() -> None:
    store = Store()
    ring = Keyring(store, Clock())
    ring.load()
    store.add(key(b"new"))
    found = await asyncio.gather(*(ring.find(b"new") for _ in range(100)))
    assert {one.id for one in found} == {"key_new"}
    assert store.asked == 1


async def test_while_the_store_is_away_known_keys_go_on_and_others_are_told_so() -> None:
    store = Store(key(b"1"))
    ring = Keyring(store, Clock())
    ring.load()
    store.away = True
    assert ring.cached(b"1") is not None
    with pytest.raises(GatewayError) as caught:
        await ring.find(b"2")
    assert (caught.value.kind.type, caught.value.kind.status) == ("keys_unavailable", 503)
    assert caught.value.retry_after is not None
    assert "fire" not in caught.value.message
    assert ring.trouble is not None
    with pytest.raises(GatewayError):
        await ring.find(b"3")
    assert store.asked == 1


async def test_a_slow_store_does_not_keep_a_queue_waiting() -> None:
    store, clock = Store(), Clock()
    ring = Keyring(store, clock)
    ring.load()
    store.hung = threading.Event()
    waiting = [asyncio.create_task(ring.find(b"%d" % number)) for number in range(200)]
    while not store.hanging:  # until the first is being asked for, and the others queue
        await asyncio.sleep(0.001)
    clock.now += 2 * PATIENCE
    store.hung.set()
    results = await asyncio.gather(*waiting, return_exceptions=True)
    kinds = [error.kind.type for error in results if isinstance(error, GatewayError)]
    assert kinds.count("keys_unavailable") >= 190
    assert store.asked <= 10


async def test_a_store_that_hangs_keeps_nobody_waiting_and_is_told_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "callgate.keys")
    monkeypatch.setattr(keyring, "_PATIENCE", 0.05)
    monkeypatch.setattr(keyring, "_LOOK_UP_PATIENCE", 0.05)
    monkeypatch.setattr(keyring, "REFRESH_SECONDS", 0.01)
    store = Store(key(b"1"))
    ring = Keyring(store)
    ring.load()
    rounds, wait = 0, asyncio.wait

    async def counted(*tasks: Any, **bounds: Any) -> Any:
        nonlocal rounds
        rounds += 1
        return await wait(*tasks, **bounds)

    monkeypatch.setattr(asyncio, "wait", counted)
    hung = store.hung = threading.Event()
    following = asyncio.create_task(ring.keep_fresh())
    try:
        results = await asyncio.gather(
            *(ring.find(b"%d?" % number) for number in range(100)), return_exceptions=True
        )
        assert {str(error.kind.type) for error in results if isinstance(error, GatewayError)} == {
            "keys_unavailable"
        }
        assert ring.cached(b"1") is not None
        while ring.trouble != "no answer for 0.05 s while reading keys":
            await asyncio.sleep(0.01)
        told = rounds
        while rounds < told + 4:
            await asyncio.sleep(0.01)
        assert store.hanging <= 3  # not one thread more for each question and each second
        assert len(caplog.records) == 1
        store.add(key(b"2"))
        hung.set()
        while ring.trouble is not None:
            await asyncio.sleep(0.01)
        assert (await ring.find(b"2")).digest == b"2"
        away, back, *_ = caplog.records  # more of them on a machine that is busy
        assert (away.levelname, away.message) == (
            "ERROR",
            "the store does not answer: keys are served from memory",
        )
        assert away.__dict__["detail"] == "no answer for 0.05 s while reading keys"
        assert (back.levelname, back.message) == ("INFO", "the store answers again")
    finally:
        hung.set()
        following.cancel()


def test_keys_are_remembered_for_a_start_without_the_store(tmp_path: Path) -> None:
    remembered = RememberedKeys(tmp_path / "keys.json")
    store = Store(key(b"1", expires=5), key(b"2"))
    store.away = True
    with pytest.raises(StoreError):
        load_keys(store, remembered)
    store.away = False
    load_keys(store, remembered)
    assert stat.S_IMODE((tmp_path / "keys.json").stat().st_mode) == 0o600
    store.away = True
    ring = load_keys(store, remembered)
    assert ring.trouble is not None
    assert ring.cached(b"2") == key(b"2")
    with pytest.raises(GatewayError):
        ring.cached(b"1")
    for broken in (b"[{", b'[{"id": "\xff"}]'):
        (tmp_path / "keys.json").write_bytes(broken)
        with pytest.raises(StoreError):
            load_keys(store, remembered)


@pytest.mark.parametrize("end", ["expires", "revoked"])
async def test_a_key_that_has_ended(end: str) -> None:
    clock = Clock()
    ring = Keyring(Store(key(b"1", **{end: 1_000_500})), clock)
    ring.load()
    found = ring.cached(b"1")
    assert found is not None
    ring.learn(b"Bearer 1", found)
    clock.now += 0.499
    assert ring.known(b"Bearer 1") is found
    clock.now += 0.001
    assert ring.known(b"Bearer 1") is None
    with pytest.raises(GatewayError, match="Unauthorized - Invalid or missing API key"):
        ring.cached(b"1")
    with pytest.raises(GatewayError):
        await ring.find(b"1")


async def test_a_key_without_an_end_stays_known_and_what_is_remembered_of_headers_is_bounded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(keyring, "_MAX_HEADERS", 1)
    ring = Keyring(Store(key(b"1")), Clock())
    ring.load()
    found = await ring.find(b"1")
    ring.learn(b"Bearer 1", found)
    ring.learn(b"1", found)
    assert (ring.known(b"Bearer 1"), ring.known(b"1")) == (found, None)


async def test_a_key_behind_much_white_space_is_not_remembered_with_it() -> None:
    ring = Keyring(Store(key(b"1")), Clock())
    ring.load()
    found = await ring.find(b"1")
    usual, padded = b"Bearer cg_us_" + b"x" * 33, b"Bearer" + b" " * 250 + b"1"
    ring.learn(usual, found)
    ring.learn(padded, found)
    assert (ring.known(usual), ring.known(padded)) == (found, None)


async def test_what_follows_the_keys_is_told_of_each_change_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(keyring, "REFRESH_SECONDS", 0.0)

    class Beside:
        reads = applied = 0

        def read(self) -> None:
            self.reads += 1

        def apply(self) -> None:
            self.applied += 1

    store, beside, changes = Store(key(b"1")), Beside(), []
    ring = Keyring(store, companion=beside)
    ring.load()
    ring.on_change = lambda: changes.append([one.id for one in ring.all()])
    following = asyncio.create_task(ring.keep_fresh())

    async def until(happened: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE):
            while not happened():
                await asyncio.sleep(0)

    await until(lambda: beside.applied > 3)
    assert (beside.reads, changes) == (1, [["key_1"]])
    store.add(key(b"2"))
    await until(lambda: len(changes) > 1)
    assert (beside.reads, changes[1]) == (2, ["key_1", "key_2"])
    store.away = True
    await until(lambda: ring.trouble is not None)
    applied, asked = beside.applied, store.versions
    await until(lambda: store.versions > asked + 3)
    assert (ring.trouble, beside.applied) == ("StoreError while reading keys", applied)
    assert len(changes) == 2
    following.cancel()


@pytest.mark.parametrize("dead", [{"revoked": -5_000_000}, {"unreadable": "?", "revoked": None}])
async def test_what_is_refused_at_once_is_refused_also_where_the_clock_is_behind(
    dead: dict[str, Any],
) -> None:
    clock = Clock()
    made = msgspec.structs.replace(key(b"1", **dead), created=4_000_000)
    assert made.ends() > clock() * 1000
    ring = Keyring(Store(made), clock)
    ring.load()
    ring.learn(b"Bearer 1", made)
    assert ring.known(b"Bearer 1") is None
    with pytest.raises(GatewayError, match="Unauthorized") as caught:
        await ring.find(b"1")
    assert "1970-01-01 01:23:20" in caught.value.detail or "?" in caught.value.detail


async def test_a_key_that_is_found_dead_stays_out() -> None:
    store = Store()
    ring = Keyring(store, Clock())
    ring.load()
    store.add(key(b"1", revoked=5))
    with pytest.raises(GatewayError) as caught:
        await ring.find(b"1")
    assert caught.value.kind.type == "unauthorized"


async def test_a_key_that_is_revoked_while_it_is_asked_for_stays_out() -> None:
    store = Store()
    ring = Keyring(store, Clock())
    ring.load()
    given = key(b"1")
    store.add(given)

    def find(digest: bytes) -> Key | None:
        store.change("key_1", lambda one: msgspec.structs.replace(one, revoked=5))
        ring.load()
        return given

    store.find = find  # type: ignore[method-assign]
    for _ in range(2):
        with pytest.raises(GatewayError, match="Unauthorized"):
            await ring.find(b"1")


async def test_what_was_found_before_the_keys_were_read_anew_is_not_remembered() -> None:
    store = Store(key(b"1"))
    ring = Keyring(store, Clock())
    ring.load()
    found = await ring.find(b"1")
    store.change("key_1", lambda one: msgspec.structs.replace(one, revoked=5))
    ring.load()  # in its thread, between the two
    ring.learn(b"Bearer 1", found)
    assert ring.known(b"Bearer 1") is None


@pytest.mark.parametrize(
    ("dead", "told"),
    [
        (key(b"1", expires=1000), "key key_1 expired at 1970-01-01 00:00:01 UTC"),
        (key(b"1", revoked=2000), "key key_1 was revoked at 1970-01-01 00:00:02 UTC"),
        (key(b"2"), "the store has no such key"),
        (
            key(b"1", unreadable="Invalid enum value"),
            "key key_1 holds what this version does not understand: Invalid enum value",
        ),
    ],
)
async def test_the_operator_alone_is_told_why_a_key_is_refused(dead: Key, told: str) -> None:
    ring = Keyring(Store(dead), Clock())
    ring.load()
    with pytest.raises(GatewayError) as caught:
        await ring.find(b"1")
    assert caught.value.detail == told
    assert told not in caught.value.message + caught.value.fix
