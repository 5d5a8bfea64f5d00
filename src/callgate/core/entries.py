"""Reading the entries of records in the journal; see `core.entry`."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from callgate.core.entry import Entry, Kind
from callgate.core.heading import ENTRY, KIND, headed
from callgate.core.record import Record

_entry = msgspec.json.Decoder(Entry).decode
_kind = msgspec.json.Decoder(Kind).decode
_record = msgspec.json.Decoder(Record).decode
_OWN = slice(len(ENTRY), -1)
_ALIKE = slice(len(KIND), -1)


def entries_of(lines: Iterable[bytes]) -> tuple[list[Entry], list[bytes]]:
    """The entries of what the journal has, and what of it is no record.

    A record that has no heading, as older versions wrote them, is given its own.
    """
    entries, refused = [], []
    kinds: dict[bytes, Kind] = {}
    for line in lines:
        try:
            whole = line if line[: len(ENTRY)] == ENTRY else headed(_record(line), line)
            own, alike, rest = whole.split(b"\t", 2)
            entry = _entry(own[_OWN])
            kind = kinds.get(alike)
            if kind is None:
                kinds[alike] = kind = _kind(alike[_ALIKE])
        except ValueError:  # msgspec's errors are ValueErrors
            refused.append(line)
            continue
        entry.kind = kind
        entry.body = b"{" + rest
        entries.append(entry)
    return entries, refused
