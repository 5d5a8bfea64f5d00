"""Answers that are joined to what was delivered: nothing lost, nothing twice."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callgate.core.chat import Chunk
from callgate.core.splice import LEAST_ECHO, Matched, Prefilled, Seam, Splice, stem
from callgate.errors import GatewayError

TEXT = st.text(alphabet="ab \n.", max_size=60)


def fed(seam: Seam, text: str, cuts: list[int]) -> str:
    """What a seam gives of a text that comes in pieces."""
    places = sorted({min(cut, len(text)) for cut in cuts} | {0, len(text)})
    pieces = [text[a:b] for a, b in itertools.pairwise(places)]
    return "".join([*map(seam.take, pieces), seam.end()])


CUTS = st.lists(st.integers(0, 60), max_size=12)


@given(TEXT, st.integers(0, 60), CUTS)
def test_the_same_answer_is_joined_without_a_seam(text: str, at: int, cuts: list[int]) -> None:
    assert text[:at] + fed(Matched(text[:at]), text, cuts) == text


@given(TEXT, TEXT, CUTS)
def test_another_answer_is_never_joined(delivered: str, other: str, cuts: list[int]) -> None:
    if other.startswith(delivered):
        assert delivered + fed(Matched(delivered), other, cuts) == other
    else:
        with pytest.raises(GatewayError) as caught:
            fed(Matched(delivered), other, cuts)
        assert caught.value.kind.type == "answer_diverged"


@pytest.mark.parametrize(("pieces", "agree"), [(["The ", "cot"], 5), (["A"], 0), (["The"], 3)])
def test_an_answer_that_diverges_is_told_with_how_much_agreed(
    pieces: list[str], agree: int
) -> None:
    seam = Matched("The cat sat")
    with pytest.raises(GatewayError, match=f"only the first {agree} characters agree"):
        assert not [seam.take(piece) for piece in pieces] + [seam.end()]


@given(TEXT, st.integers(0, 60), CUTS)
def test_going_on_from_the_stem_gives_the_text(text: str, at: int, cuts: list[int]) -> None:
    delivered = text[:at]
    rest = text[len(stem(delivered)) :]
    if len(stem(delivered)) >= LEAST_ECHO and rest.startswith(stem(delivered)):
        return  # taken for a repetition
    assert delivered + fed(Prefilled(delivered), rest, cuts) == text


@given(TEXT, st.integers(0, 60), CUTS)
def test_a_repeated_beginning_does_not_come_twice(text: str, at: int, cuts: list[int]) -> None:
    delivered = text[:at]
    assert delivered + fed(Prefilled(delivered, echoes=True), text, cuts) == text
    long = "0123456789abcdef" + delivered
    assert long + fed(Prefilled(long), long + text, cuts) == long + text


@pytest.mark.parametrize(
    ("delivered", "given", "joined"),
    [
        ("Hello, ", " world", "Hello, world"),
        ("Hello, ", "world", "Hello, world"),
        ("Hello,", " world", "Hello, world"),
        ("One.\n\n", "\nTwo.", "One.\n\nTwo."),
        ("One.\n", "\n\nTwo.", "One.\n\nTwo."),
        ("One. ", "\nTwo.", "One. \nTwo."),
        ("", "Two", "Two"),
    ],
)
def test_whitespace_at_the_seam_is_neither_lost_nor_doubled(
    delivered: str, given: str, joined: str
) -> None:
    assert delivered + fed(Prefilled(delivered), given, list(range(9))) == joined


def test_the_beginning_of_a_repetition_that_is_none_is_kept() -> None:
    beginning = "It was a dark and stormy night"
    assert fed(Prefilled(beginning), "It was so.", [1, 3, 5]) == "It was so."
    assert fed(Prefilled(beginning), "It", [1]) == "It"


def test_a_long_repetition_in_small_pieces_takes_no_time() -> None:
    beginning = "word " * 20_000 + "end"
    seam = Prefilled(beginning)
    assert [piece for piece in map(seam.take, beginning) if piece] == []
    assert seam.take("!") == "!"


def chunk(delta: dict[str, Any], finish: str | None = None, index: int = 0) -> Chunk:
    return Chunk(choices=[{"index": index, "delta": delta, "finish_reason": finish}])


def joined(splice: Splice, *chunks: Chunk) -> list[tuple[dict[str, Any], str | None]]:
    for one in chunks:
        splice.join(one)
    return [(choice["delta"], choice["finish_reason"]) for one in chunks for choice in one.choices]


def test_chunks_lose_role_and_thoughts_that_the_caller_has_had() -> None:
    assert joined(
        Splice(Matched("Hi"), spoken=True),
        chunk({"role": "assistant", "content": ""}),
        chunk({"reasoning_content": "well"}),
        chunk({"content": "H"}),
        chunk({"content": "i there"}),
        chunk({"content": "?"}, index=1),
        chunk({}, "stop"),
    ) == [({"content": " there"}, None), ({}, "stop")]


def test_thoughts_of_the_answering_attempt_stand_apart() -> None:
    said = joined(
        Splice(Matched(""), spoken=False, thought=True),
        chunk({"reasoning_content": "so"}),
        chunk({"reasoning_content": " on"}),
        chunk({"content": "Hi"}),
    )
    assert [delta for delta, _ in said] == [
        {"reasoning_content": "\n\nso"},
        {"reasoning_content": " on"},
        {"content": "Hi"},
    ]


def test_an_answer_that_ends_or_calls_a_tool_too_early_is_another_one() -> None:
    for last in (chunk({}, "stop"), chunk({"tool_calls": [{"index": 0}]})):
        splice = Splice(Matched("Hello"), spoken=True)
        splice.join(chunk({"content": "Hell"}))
        with pytest.raises(GatewayError):
            splice.join(last)


def test_what_was_held_back_comes_with_the_end() -> None:
    said = joined(
        Splice(Prefilled("Once upon a time there was"), spoken=True),
        chunk({"content": "Once"}),
        chunk({}, "length"),
    )
    assert said == [({"content": "Once"}, "length")]


def test_places_in_a_text_of_its_own_are_not_passed_on() -> None:
    note = {"annotations": [{"type": "url_citation"}]}
    assert joined(Splice(Prefilled("Hi"), spoken=True), chunk(dict(note))) == []
    assert joined(Splice(Matched(""), spoken=False), chunk(dict(note))) == [(note, None)]
