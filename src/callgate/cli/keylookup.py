"""Which key a person means."""

from __future__ import annotations

import difflib

from callgate.cli.opening import demand_store, opened
from callgate.cli.options import Failure
from callgate.cli.output import printable
from callgate.config import Config
from callgate.core import keys as shape
from callgate.core.redact import redact
from callgate.store.base import Key, Keys


def find_key(store: Keys, named: str) -> Key:
    """The key of this id, or the key that `named` itself is. Raises Failure."""
    if shape.region_of(named) is not None:
        key = store.find(shape.digest(named))
        if key is None:
            raise Failure("this key is not in the store", "See 'callgate keys list'.")
        return key
    known = store.all()
    for key in known:
        if key.id == named:
            return key
    namesakes = [key.id for key in known if key.name == named]
    near = namesakes or difflib.get_close_matches(named, [key.id for key in known], n=3)
    fix = f"Did you mean {' or '.join(near)}?" if near else "See 'callgate keys list'."
    raise Failure(f"no key has the id {printable(redact(named), 60)!r}", fix)


def id_of_key(config: Config, named: str | None) -> str | None:
    """What `--key` says, or the id of the key that it is itself. Raises Failure."""
    if named is None or shape.region_of(named) is None:
        return named
    demand_store(config)
    with opened(config) as store:
        return find_key(store.keys, named).id
