"""What `Keys` promise, whatever keeps them."""

from __future__ import annotations

from typing import Any

import pytest

from callgate.store.base import Key, Store


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


def test_an_unknown_digest_finds_nothing(store: Store) -> None:
    store.keys.add(made())
    assert store.keys.find(b"?" * 32) is None


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
        assert found.dead_at() == ends
