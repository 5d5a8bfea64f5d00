"""What `Overrides` promise, whatever keeps them."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from callgate.core.override import Kind, Override
from callgate.store.base import Store


def put(store: Store, kind: Kind, name: str, settings: str | None, at: int = 1) -> None:
    store.overrides.change(kind, name, lambda _found: settings, at)


def test_what_is_set_comes_back_in_order_and_is_replaced_and_taken_away(store: Store) -> None:
    assert store.overrides.all() == []
    put(store, "model", "Übung/😀", '{"rate_limit":5}')
    put(store, "model", "b", "{}")
    put(store, "account", "b", '{"budget_day":1.5}')
    put(store, "model", "b", '{"hedge":true}', at=7)
    assert store.overrides.all() == [
        Override(kind="account", name="b", settings='{"budget_day":1.5}', changed=1),
        Override(kind="model", name="b", settings='{"hedge":true}', changed=7),
        Override(kind="model", name="Übung/😀", settings='{"rate_limit":5}', changed=1),
    ]
    put(store, "model", "b", None)
    put(store, "model", "never", None)
    assert [(one.kind, one.name) for one in store.overrides.all()] == [
        ("account", "b"),
        ("model", "Übung/😀"),
    ]


def test_every_change_changes_the_version_of_the_keys_and_nothing_else_does(store: Store) -> None:
    seen = [store.keys.version()]
    for settings in ("{}", '{"hedge":true}', None):
        put(store, "model", "m", settings)
        seen.append(store.keys.version())
        put(store, "model", "m", settings)
        assert store.keys.version() == seen[-1]
    assert len(set(seen)) == len(seen)


def test_what_an_edit_raises_leaves_all_as_it_was(store: Store) -> None:
    put(store, "model", "m", "{}")
    version = store.keys.version()

    def refuse(found: Sequence[Override]) -> str:
        raise KeyError([one.name for one in found])

    with pytest.raises(KeyError, match="m"):
        store.overrides.change("model", "m", refuse, 2)
    assert store.keys.version() == version
    assert [one.settings for one in store.overrides.all()] == ["{}"]


def test_edits_at_the_same_time_see_each_other(store: Store) -> None:
    def longer(found: Sequence[Override]) -> str:
        return (found[0].settings if found else "") + "x"

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: store.overrides.change("model", "m", longer, 1), range(12)))
    assert [one.settings for one in store.overrides.all()] == ["x" * 12]
