"""Callers' keys in the wrong place of a request."""

from __future__ import annotations

import msgspec
import pytest
from msgspec import Raw

from callgate.core.mislaid import without_keys
from callgate.core.redact import MASK

KEY = "cg_us_OvvIPgMIQOl93hXE545O6vGtviv2S2gQV"


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        (KEY, MASK),
        (f"id {KEY}", f"id {MASK}"),
        ({"of": [1.5, KEY, None], KEY: True}, {"of": [1.5, MASK, None], MASK: True}),
        ('cg_ "***"', f'cg_ "{MASK}"'),
        ("cg_ ***\\", f"cg_ {MASK}"),
        ("café", "café"),
    ],
)
def test_what_is_left_of_parameters_is_json(value: object, kept: object) -> None:
    left = without_keys({"user": Raw(msgspec.json.encode(value)), "n": Raw(b"1"), KEY: Raw(b"2")})
    assert msgspec.json.decode(left["user"]) == kept
    assert bytes(left["n"]) == b"1"
    assert bytes(left[MASK]) == b"2"


def test_what_cannot_be_read_is_masked_whole() -> None:
    deep = Raw(b"[" * 100_000 + f'"{KEY}"'.encode() + b"]" * 100_000)
    assert bytes(without_keys({"user": deep})["user"]) == f'"{MASK}"'.encode()
