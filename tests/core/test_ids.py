"""Request ids are RFC 9562 version 7 UUIDs."""

from __future__ import annotations

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callgate.core import ids

MILLISECONDS = st.integers(0, 2**48 - 1)
ENTROPY = st.integers(0, 2**80 - 1)


def test_the_rfcs_own_example() -> None:
    """RFC 9562, appendix A.6: time 0x017F22E279B0, rand_a 0xCC3, rand_b 0x18C4DC0C0C07398F."""
    entropy = 0xCC3 << 64 | 0x18C4DC0C0C07398F
    assert ids.uuid7(0x017F22E279B0, entropy) == "017f22e2-79b0-7cc3-98c4-dc0c0c07398f"


@given(MILLISECONDS, ENTROPY)
def test_is_a_version_7_uuid_in_canonical_text(now: int, entropy: int) -> None:
    text = ids.uuid7(now, entropy)
    parsed = uuid.UUID(text)
    assert (str(parsed), parsed.version, parsed.variant) == (text, 7, uuid.RFC_4122)


@given(MILLISECONDS, ENTROPY)
def test_bears_its_time_and_is_recognised(now: int, entropy: int) -> None:
    text = ids.uuid7(now, entropy)
    assert ids.is_request_id(text)
    assert ids.unix_ms(text) == now


@given(MILLISECONDS, ENTROPY)
def test_bytes_and_int_are_the_same_entropy(now: int, entropy: int) -> None:
    assert ids.uuid7(now, entropy) == ids.uuid7(now, entropy.to_bytes(10, "big"))


@given(MILLISECONDS, MILLISECONDS, ENTROPY, ENTROPY)
def test_ids_sort_by_time(one: int, two: int, chance: int, other: int) -> None:
    if one != two:
        assert (ids.uuid7(one, chance) < ids.uuid7(two, other)) == (one < two)


def test_each_random_bit_counts() -> None:
    blank = uuid.UUID(ids.uuid7(0, 0)).int
    changed = {uuid.UUID(ids.uuid7(0, 1 << bit)).int ^ blank for bit in range(80)} - {0}
    assert len(changed) == 74
    assert sum(changed) == 2**76 - 2**64 + 2**62 - 1


@given(st.integers(), st.integers(0))
def test_no_number_breaks_the_shape(now: int, entropy: int) -> None:
    assert ids.is_request_id(ids.uuid7(now, entropy))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "017F22E2-79B0-7CC3-98C4-DC0C0C07398F",
        "017f22e279b07cc398c4dc0c0c07398f",
        "017f22e2-79b0-4cc3-98c4-dc0c0c07398f",
        "017f22e2-79b0-7cc3-58c4-dc0c0c07398f",
        "017f22e2-79b0-7cc3-98c4-dc0c0c07398f\n",
        "017f22e2-79b0-7cc3-98c4-dc0c0c0739\uff18f",
    ],
)
def test_refuses_what_uuid7_never_writes(text: str) -> None:
    assert not ids.is_request_id(text)
    with pytest.raises(ValueError, match="not a request id"):
        ids.unix_ms(text)
