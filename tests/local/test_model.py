"""The facts told about the embedded model are those of its file."""

from __future__ import annotations

import struct
from pathlib import Path

from callgate.catalogue import load
from callgate.local.model import SMOLLM2


def _metadata(weights: Path, key: str) -> bytes:
    with weights.open("rb") as file:
        head = file.read(4096)
    return head[head.index(key.encode()) + len(key) :]


def test_the_context_is_what_the_weights_were_trained_for(weights: Path) -> None:
    kind, length = struct.unpack_from("<II", _metadata(weights, "llama.context_length"))
    assert (kind, length) == (4, SMOLLM2.context_length)


def test_the_licence_is_what_the_weights_say(weights: Path) -> None:
    _, size = struct.unpack_from("<IQ", value := _metadata(weights, "general.license"))
    assert value[12 : 12 + size].decode() == "apache-2.0"


def test_the_catalogue_tells_the_context_that_is_served() -> None:
    assert load()[SMOLLM2.name].context_length == SMOLLM2.context_length
