"""Broken JSON is repaired to what it says, or refused."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callgate.core.repair import MAX_BROKEN, is_json, repair
from callgate.errors import GatewayError

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=8), inner,
                      max_size=4),
    max_leaves=12,
)  # fmt: skip


def outcome(text: str) -> object:
    """The value that a text is repaired to; `...` where it is refused."""
    try:
        return json.loads(repair(text).text)
    except GatewayError:
        return ...


@given(_JSON, st.sampled_from([None, 1, "\t"]), st.booleans())
def test_sound_json_comes_back_to_the_byte(value: object, indent: object, ascii_only: bool) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=ascii_only)  # type: ignore[arg-type]
    assert repair(text) == (text, False, ())


def test_numbers_keep_all_their_digits() -> None:
    text = '{"a": 12345678901234567890.123456789012345678901234567890, "b": 1E400, "c": 1.10,}'
    assert repair(text).text == text.replace(",}", "}")


def test_what_was_mended_is_told_in_fixed_words() -> None:
    told = repair("Here:\n```json\n{'a': True, // yes\n}\n```").notes
    assert set(told) == {
        "fence removed",
        "prose removed",
        "quotes replaced",
        "literals replaced",
        "comments removed",
        "trailing commas removed",
    }


def test_refusal_says_what_and_why() -> None:
    with pytest.raises(GatewayError) as raised:
        repair('{"a": "cut of', "The answer")
    assert raised.value.kind.type == "unrepairable_json"
    assert raised.value.message == (
        "The answer is not JSON and cannot be repaired: it ends inside a string "
        "(at character 14 of the value)"
    )


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        '{"a":' * 20_000,
        '["“[]' + '````{"' * 10_000,
        '["`)' + '{"' * 30_000,
        "{" + " " * 120_000 + "x",
        '{"a": "b"' + " " * 120_000 + "x",
        '{"a": 1}' + "}" * 100_000 + "{",
        "x" * (MAX_BROKEN + 1),
        "{" + "//" * 60_000,
        "[" + '"a" ' * 30_000,
        '{"a": "' + 'x" , ' * 20_000,
    ],
)
def test_hostile_texts_are_refused_in_bounded_time(text: str) -> None:
    began = time.process_time()
    assert outcome(text) is ...
    assert time.process_time() - began < 10


def test_python_constants_and_numbers_out_of_range_are_no_json() -> None:
    assert not any(map(is_json, ("NaN", "[Infinity]", "-Infinity", "")))
    assert is_json("[" + "9" * 5000 + "]")
