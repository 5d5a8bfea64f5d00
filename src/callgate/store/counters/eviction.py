"""Whether a server that counts may drop counters to make room for others. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from callgate.store.base import Caution

_KEEPS_ALL = "noeviction"
_FIX = (
    "Set the server's maxmemory-policy to noeviction, or name a server of the gateways' own in "
    "`counters.url`."
)


def caution_of(place: str, memory: Mapping[str, str]) -> Caution | None:
    """What `INFO memory` of a server tells; nothing where it says too little.

    Counters all expire, so that the policies for keys that do (`volatile-…`) apply to them as well.
    https://redis.io/docs/latest/develop/reference/eviction/
    """
    policy = memory.get("maxmemory_policy", _KEEPS_ALL)
    if policy == _KEEPS_ALL or memory.get("maxmemory", "0") == "0":
        return None
    return Caution(
        f"{place} has maxmemory-policy {policy[:40]}: when its memory is full it drops counters, "
        "and what was counted in them can be used once more",
        _FIX,
    )


def fields_of(said: object) -> dict[str, str]:
    """The fields of an `INFO`, as its text or as the driver has parsed it."""
    if isinstance(said, Mapping):
        return {str(name): str(value) for name, value in said.items()}
    lines = said.decode("ascii", "replace").split("\r\n") if isinstance(said, bytes) else ()
    return {name: value for name, _, value in (line.partition(":") for line in lines)}
