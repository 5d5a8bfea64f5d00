"""What `Keys` promise, whatever keeps them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec
import pytest
from sqlalchemy import update

from callgate.core.allowance import Allowance
from callgate.store.base import Key, Store, StoreError
from callgate.store.sql import writing
from callgate.store.tables import keys


def made(number: int = 1, **changes: Any) -> Key:
    fields: dict[str, Any] = {
        "id": f"key_{number}",
        "digest": bytes([number]) * 32,
        "hint": "x7Qz",
        "name": "ci",
        "account": "acme",
        "region": "us",
        "created": 1_800_000_000_000 + number,
    }
    return Key(**{**fields, **changes})


FULL = made(
    2,
    name="Übung 😀",
    expires=1_900_000_000_000,
    revoked=1_850_000_000_000,
    models=("gpt-4.1", "claude-sonnet-4"),
    limits={"gpt-4.1": 60},
    capture="never",
)


@pytest.mark.parametrize("key", [made(), FULL, made(models=())])
def test_a_key_comes_back_as_it_was_given(store: Store, key: Key) -> None:
    store.keys.add(key)
    assert store.keys.find(key.digest) == key
    assert store.keys.all() == [key]


def test_a_key_that_a_newer_version_has_written_is_refused_and_holds_up_no_other(
    store: Store,
) -> None:
    for number in (1, 2):
        store.keys.add(made(number, expires=1_900_000_000_000))
    with writing(store.keys._engine) as connection:  # type: ignore[attr-defined]
        newer = {"capture": "of-2031", "limits": {"gpt-4.1": {"per_hour": 9}}}
        connection.execute(update(keys).where(keys.c.id == "key_1").values(newer))
    odd, other = store.keys.all()
    assert "of-2031" in odd.unreadable or "limits" in odd.unreadable
    assert (odd.dead_at(), odd.ends()) == (-odd.created, odd.created)
    assert store.keys.find(odd.digest) == odd
    assert other == made(2, expires=1_900_000_000_000)
    with pytest.raises(StoreError, match=r"key_1 .* newer version"):
        store.keys.change("key_1", lambda key: msgspec.structs.replace(key, name="renamed"))
    assert store.keys.revoke("key_1", 7) is True
    assert store.keys.all()[0].revoked == 7


def test_an_unknown_digest_finds_nothing(store: Store) -> None:
    store.keys.add(made())
    assert store.keys.find(b"?" * 32) is None


def test_of_several_first_keys_at_once_one_is_kept(store: Store) -> None:
    with ThreadPoolExecutor(4) as pool:
        kept = list(pool.map(store.keys.add_first, map(made, range(4))))
    assert sorted(kept) == [False, False, False, True]
    assert store.keys.all() == [made(kept.index(True))]


def test_all_lists_the_oldest_first(store: Store) -> None:
    for number in (3, 1, 2):
        store.keys.add(made(number))
    assert [key.id for key in store.keys.all()] == ["key_1", "key_2", "key_3"]


def test_every_change_changes_the_version(store: Store) -> None:
    seen = [store.keys.version()]
    store.keys.add(made(1))
    seen.append(store.keys.version())
    store.keys.add(made(2))
    seen.append(store.keys.version())
    store.keys.revoke("key_1", 5)
    seen.append(store.keys.version())
    assert len(set(seen)) == len(seen)
    assert store.keys.version() == seen[-1]


def test_what_changes_nothing_leaves_the_version(store: Store) -> None:
    store.keys.add(made())
    before = store.keys.version()
    assert store.keys.revoke("no such key", 5) is False
    with pytest.raises(ValueError, match="key_1"):
        store.keys.add(made())
    assert store.keys.version() == before


@pytest.mark.parametrize("twin", [made(1, digest=b"9" * 32), made(2, digest=made(1).digest)])
def test_an_id_or_digest_is_given_once(store: Store, twin: Key) -> None:
    store.keys.add(made(1))
    with pytest.raises(ValueError, match="exists"):
        store.keys.add(twin)
    assert store.keys.all() == [made(1)]


def test_revoking_can_bring_the_end_forward_but_not_put_it_off(store: Store) -> None:
    store.keys.add(made())
    for at, ends in ((500, 500), (900, 500), (100, 100)):
        assert store.keys.revoke("key_1", at) is True
        found = store.keys.find(made().digest)
        assert found is not None
        assert found.dead_at() == found.ends() == ends


def test_what_is_revoked_at_once_ends_whatever_the_clock_says(store: Store) -> None:
    store.keys.add(made())
    for at in (500, -400, -300, 200):
        assert store.keys.revoke("key_1", at) is True
    found = store.keys.find(made().digest)
    assert found is not None
    assert (found.dead_at(), found.ends()) == (-400, 400)


CHANGES = {
    "name": "renamed",
    "expires": 1_950_000_000_000,
    "models": ("gpt-4o",),
    "limits": {"gpt-4o": 7},
    "capture": "errors",
    "allowance": Allowance(tokens_per_minute=9, budget_day=0.5, token_limits={"gpt-4o": 3}),
}


@pytest.mark.parametrize("key", [made(2), FULL])
def test_what_a_key_may_do_can_be_changed_and_taken_away(store: Store, key: Key) -> None:
    for one in (made(1), key):
        store.keys.add(one)
    seen = [store.keys.version()]
    wanted = msgspec.structs.replace(key, **CHANGES)
    assert store.keys.change(key.id, lambda _: wanted) == wanted
    assert store.keys.all() == [made(1), wanted]
    seen.append(store.keys.version())
    removed = {"expires": None, "models": None, "limits": {}, "capture": None, "allowance": None}
    store.keys.change(key.id, lambda found: msgspec.structs.replace(found, **removed))
    assert store.keys.find(key.digest) == msgspec.structs.replace(wanted, **removed)
    seen.append(store.keys.version())
    assert len(set(seen)) == 3


def test_a_change_makes_no_other_key_of_it_and_does_not_revive_it(store: Store) -> None:
    store.keys.add(FULL)
    other = made(7, account="other", region="eu", hint="....", name="new")
    after = store.keys.change(FULL.id, lambda _: other)
    found = store.keys.find(FULL.digest)
    assert found == after
    assert found is not None
    kept = ("id", "digest", "hint", "account", "region", "created", "revoked")
    assert [getattr(found, name) for name in kept] == [getattr(FULL, name) for name in kept]
    assert (found.name, found.models) == ("new", None)


def test_a_change_of_nothing_or_of_nobody_leaves_the_version(store: Store) -> None:
    store.keys.add(FULL)
    before = store.keys.version()
    assert store.keys.change(FULL.id, lambda key: key) == FULL
    assert store.keys.change("no such key", lambda key: key) is None

    def refuse(_: Key) -> Key:
        raise LookupError("not this one")

    with pytest.raises(LookupError):
        store.keys.change(FULL.id, refuse)
    assert store.keys.version() == before
    assert store.keys.all() == [FULL]


def test_changes_at_once_are_all_kept(store: Store) -> None:
    store.keys.add(made())

    def add(number: int) -> None:
        def edit(key: Key) -> Key:
            return msgspec.structs.replace(key, limits={**key.limits, f"m{number}": number})

        store.keys.change("key_1", edit)

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(add, range(12)))
    assert store.keys.all()[0].limits == {f"m{number}": number for number in range(12)}
