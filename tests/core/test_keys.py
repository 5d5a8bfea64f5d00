"""The keys' shape: what is minted is recognised, and no slip of one character goes unseen."""

from __future__ import annotations

import hashlib
import math
import re
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callgate.core import keys

ENTROPY = st.binary(min_size=keys.ENTROPY_BYTES, max_size=keys.ENTROPY_BYTES)
REGIONS = st.from_regex(r"[a-z0-9][a-z0-9-]{0,31}", fullmatch=True)
KEYS = st.builds(keys.mint, REGIONS, ENTROPY)
CHARACTERS = string.ascii_letters + string.digits + string.punctuation + " \n\té\ud800"


def test_shape_and_a_fixed_example() -> None:
    key = keys.mint("us", bytes(range(20)))
    assert key == "cg_us_0029sS3yqsuDyR1vGFhTuuRAq1b0Jh6rf"
    assert keys.hint(key) == key[-4:]
    assert keys.digest(key) == hashlib.sha256(key.encode()).digest()


def test_the_random_part_holds_160_bits() -> None:
    random = keys.mint("us", b"\xff" * 20).removeprefix("cg_us_")[:-6]
    assert len(random) * math.log2(62) >= 160
    assert keys.region_of(keys.mint("us", b"\xff" * 20)) == "us"


@given(REGIONS, ENTROPY)
def test_a_minted_key_bears_its_region(region: str, entropy: bytes) -> None:
    assert keys.region_of(keys.mint(region, entropy)) == region


@given(ENTROPY, ENTROPY)
def test_different_entropy_gives_different_keys(one: bytes, two: bytes) -> None:
    assert (keys.mint("us", one) == keys.mint("us", two)) == (one == two)


@given(KEYS, st.data())
def test_any_changed_character_is_detected(key: str, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(key) - 1))
    other = data.draw(st.sampled_from([c for c in CHARACTERS if c != key[at]]))
    assert keys.region_of(key[:at] + other + key[at + 1 :]) is None


@given(KEYS, st.data())
def test_any_lost_or_added_character_is_detected(key: str, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(key) - 1))
    assert keys.region_of(key[:at] + key[at + 1 :]) is None
    assert keys.region_of(key[:at] + data.draw(st.sampled_from(CHARACTERS)) + key[at:]) is None


@given(KEYS, st.data())
def test_swapped_neighbours_are_detected(key: str, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(key) - 2))
    swapped = key[:at] + key[at + 1] + key[at] + key[at + 2 :]
    assert (keys.region_of(swapped) is None) == (swapped != key)


@given(st.text() | st.from_regex(r"cg_[a-z]+_[0-9A-Za-z]{33}", fullmatch=True))
def test_no_text_raises(text: str) -> None:
    region = keys.region_of(text)
    assert region is None or text.startswith(f"cg_{region}_")


@pytest.mark.parametrize("text", ["", "cg_", "sk-proj-abc", "cg_us_", "cg_us_" + "a" * 10**6])
def test_foreign_text_has_no_region(text: str) -> None:
    assert keys.region_of(text) is None


@pytest.mark.parametrize("region", ["", "US", "e u", "-eu", "eu_west", "x" * 33, "ü"])
def test_an_odd_region_is_refused(region: str) -> None:
    assert not keys.is_region(region)
    with pytest.raises(ValueError, match="region"):
        keys.mint(region, bytes(20))


@pytest.mark.parametrize("size", [0, 19, 21])
def test_a_wrong_amount_of_entropy_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match="20 random bytes"):
        keys.mint("us", bytes(size))


@given(st.binary(min_size=8, max_size=8))
def test_a_key_id_is_a_plain_word(entropy: bytes) -> None:
    assert re.fullmatch(r"key_[0-9A-Za-z]{11}", keys.key_id(entropy))


def test_a_key_id_takes_eight_bytes() -> None:
    with pytest.raises(ValueError, match="8 random bytes"):
        keys.key_id(b"short")
