"""Settings that do not exist: what was probably meant."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from msgspec import Struct

from callgate.config.settings import Settings
from callgate.core.fieldpath import value_at

_NAMED = ("models", "providers")
"""Tables of tables whose names are the operator's own."""


def hint(key: str, table: Mapping[str, Any]) -> str:
    """The end of a message about the unknown `key` of the configuration `table`."""
    room, _, name = key.partition(".")
    value = value_at(table, key)
    if room in _NAMED and isinstance(value, dict):
        # TOML takes the dot of [models.gpt-4.1] for the step into a table of a table.
        while len(value) == 1 and isinstance(only := next(iter(value.values())), dict):
            name, value = f"{name}.{next(iter(value))}", only
        return f'; a name with a dot is written in quotes: [{room}."{name}"]'
    parent, _, last = key.rpartition(".")
    here = _keys_of(parent)
    number = next((one for one in (f"{last}s", last.removesuffix("s")) if one in here), None)
    if number is not None:  # [provider.openai], before there is a `provider` in other tables
        return f"; did you mean {number!r}?"
    elsewhere = [
        f"{table}.{last}" for table in _keys_of("") if last in _keys_of(table) and table != parent
    ]
    if not parent and elsewhere:
        return f"; did you mean {' or '.join(map(repr, elsewhere))}?"
    near = nearest(last, here)
    return near or (
        f"; it is known as {' and as '.join(map(repr, elsewhere))}" if elsewhere else ""
    )


def nearest(name: str, known: Iterable[str]) -> str:
    """The end of a message about an unknown `name`: the one that was probably meant, if any."""
    import difflib

    near = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


def _keys_of(parent: str) -> list[str]:
    """The settings that may stand in the table at `parent`."""
    kind: Any = Settings
    for step in filter(None, parent.split(".")):
        fields = {field.name: field.type for field in msgspec.structs.fields(kind)}
        kind = fields.get(step.partition("[")[0], kind)
        kind = next((arg for arg in getattr(kind, "__args__", ()) if _is_table(arg)), kind)
        if not _is_table(kind):
            return []
    return [field.name for field in msgspec.structs.fields(kind)]


def _is_table(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Struct)
