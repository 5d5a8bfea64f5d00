"""Broken JSON is repaired to what it says, or refused."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callgate.core.repair.repair import MAX_BROKEN, is_json, repair, said_once
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


@pytest.mark.parametrize(
    ("text", "one"),
    [
        ('{"a":1}\n{"a":1}', '{"a":1}'),
        (" [1, 2][1, 2] \n[1, 2]", "[1, 2]"),
        ('{"a":1}\n{"a":2}', None),
        ('{"a":1}{"a":1}{', None),
        ("[][[]]", None),
        ('{"a":1}', None),
        ("hi hi", None),
        ("", None),
        ("[" * 100_000, None),
    ],
)
def test_a_value_that_is_only_repeated_is_told_from_several(text: str, one: str | None) -> None:
    assert said_once(text) == one


def test_refusal_says_what_and_why() -> None:
    with pytest.raises(GatewayError) as raised:
        repair('{"a": "cut of', "The answer")
    assert raised.value.kind.type == "unrepairable_json"
    assert raised.value.message == (
        "The answer is not JSON and cannot be repaired: it ends inside a string "
        "(at character 14 of the value)"
    )


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[" * 3_000, "it is nested too deeply, or cannot be understood"),
        ('{"a": ' + "[" * 150 + "]" * 150 + ",}", "it is nested deeper than 64 levels"),
        ("```json\n{'a': 1}\n``` or {'b': 2}", "it may hold more than one value"),
        ('{b:c"\\"```json```0', "it is nested too deeply, or cannot be understood"),
        (r"{\"a\": \"\ud83d\"}", "its escapes are ambiguous"),
        ('{"a": "x\\\ny",}', "an escape is ambiguous (at character 9 of the value)"),
    ],
)
def test_what_is_not_clear_is_refused_in_words(text: str, why: str) -> None:
    with pytest.raises(GatewayError) as raised:
        repair(text)
    assert raised.value.message.endswith(f"cannot be repaired: {why}")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("```json\n5\n```", 5),
        ("```json\n\n  {'a': 1}\n\n```", {"a": 1}),
        ("```\n{'a': 1}", {"a": 1}),
        ("as in [1]\n```json\n{'a': 1}\n``` \n", {"a": 1}),
        ("of {a}\n```json\n{'a': 1}\n```", ...),
        ("```json\n{'a': 1}\n```\n{'b': 2}", ...),
        ("```json\nno value\n```", ...),
        (" <think>of {'b': 2}</think>\n{'a': 1}", {"a": 1}),
        (" <think>of {'a': 1}", ...),
        ("`{'a': 1}`;", {"a": 1}),
        ("{'a': 1} and so on", {"a": 1}),
        ("{'a': 1} or {'b': 2}", ...),
        ("{'a': [1, 2] and so on", ...),
        ("[1, 2,} and so on", ...),
        ("so:\n['a',]\nDone.", ["a"]),
        ("so ['a',] it is", ...),
        ("{'a': 1}; it is said in [1]", ...),
        ("The answer: {,}", ...),
        (r"{\"a\": 1}}", ...),
        ("\ufeff{'a': 1}\u200b", {"a": 1}),
        ("\u200b \u00a0", ...),
    ],
)
def test_only_what_is_surely_no_value_is_taken_off_around_one(text: str, value: object) -> None:
    assert outcome(text) == value


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        '{"a":' * 20_000,
        '["“[]' + '````{"' * 3_000,
        '["`)' + '{"' * 9_000,
        "{" + " " * 120_000 + "x",
        '{"a": "b"' + " " * 120_000 + "x",
        '{"a": "b" ' + "\n" * 60_000 + 'c" d",}',
        '["b" ' + "\n" * 60_000 + 'c" d",]',
        '{"a": 1}' + "}" * 100_000 + "{",
        "x" * (MAX_BROKEN + 1),
        "{" + "//" * 60_000,
        "[" + '"a" ' * 9_000,
        '{"a": "' + 'x" , ' * 6_000,
    ],
)
def test_hostile_texts_are_refused_in_bounded_time(text: str) -> None:
    began = time.process_time()
    assert outcome(text) is ...
    assert time.process_time() - began < 10


def test_python_constants_and_numbers_out_of_range_are_no_json() -> None:
    assert not any(map(is_json, ("NaN", "[Infinity]", "-Infinity", "")))
    assert is_json("[" + "9" * 5000 + "]")


CORPUS: list[dict[str, Any]] = [
    json.loads(line)
    for line in (Path(__file__).parent / "broken_json.jsonl").read_text().splitlines()
]


@pytest.mark.parametrize(
    "case", CORPUS, ids=[f"{one['kind']} {at}" for at, one in enumerate(CORPUS)]
)
def test_what_models_write_is_repaired_to_what_it_says(case: dict[str, Any]) -> None:
    wanted = case.get("value", ...)
    got = outcome(case["text"])
    assert got == wanted
    if wanted is not ...:
        assert json.dumps(got) == json.dumps(wanted)  # 1, 1.0 and true are not the same


def test_the_corpus_is_as_large_as_it_has_to_be() -> None:
    assert len({one["text"] for one in CORPUS}) == len(CORPUS) >= 200
    assert len({one["kind"] for one in CORPUS}) >= 12


# --- sound JSON, broken in one known way --------------------------------------------------------


def compact(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def escaped_once_more(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)[1:-1]


BREAKS: dict[str, Callable[[object], str]] = {
    "fence": lambda value: f"```json\n{json.dumps(value, indent=2)}\n```",
    "prose": lambda value: f"Here it is:\n{compact(value)}\nDone.",
    "python": repr,
    "trailing comma": lambda value: re.sub(r"([\]}])$", r",\1", compact(value)),
    "comment": lambda value: json.dumps(value, indent=1).replace("\n", " // so\n", 1),
    "last bracket": lambda value: compact(value)[:-1],
    "no commas": lambda value: re.sub(r",$", "", json.dumps(value, indent=1), flags=re.MULTILINE),
    "raw breaks": lambda value: compact(value).replace("\\n", "\n").replace("\\t", "\t"),
    "no escaped quotes": lambda value: compact(value).replace('\\"', '"'),
    "bare keys": lambda value: re.sub(r'"(\w+)":', r"\1:", compact(value)),
    "all escaped": lambda value: escaped_once_more(compact(value)),
    "half": lambda value: compact(value)[: len(compact(value)) // 2],
    "twice": lambda value: compact(value) * 2,
    "lone backslashes": lambda value: re.sub(r"\\\\(?=[a1é# ])", r"\\", compact(value)),
    "single quotes": lambda value: (
        text if re.search(r"['\\]", text := compact(value)) else text.replace('"', "'")
    ),
}
_WORDS = st.text(st.sampled_from("ab1 ,:\"'\\/n{}[]#é`"), max_size=8)
_MESSY = st.recursive(
    st.none() | st.booleans() | st.integers(-99, 99) | st.sampled_from([1.5, 1e30]) | _WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_WORDS, inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=60, deadline=None)
@given(value=st.dictionaries(_WORDS, _MESSY, min_size=1, max_size=3) | st.lists(_MESSY, min_size=1))
def test_what_is_broken_in_a_known_way_is_never_wrong(value: object) -> None:
    for way, broken in BREAKS.items():
        text = broken(value)
        got = outcome(text)
        if is_json(text):
            assert got == json.loads(text), way
        elif way == "half":
            assert got is ... or is_beginning(got, value), way
        elif way == "twice":
            assert got is ..., way
        else:
            assert got is ... or compact(got) == compact(value), way


def is_beginning(part: object, whole: object) -> bool:
    """Whether nothing stands in `part` that does not stand in `whole`, at the same place."""
    if isinstance(part, dict) and isinstance(whole, dict):
        keys = list(part)
        return keys == list(whole)[: len(keys)] and all(
            is_beginning(part[key], whole[key]) for key in keys
        )
    if isinstance(part, list) and isinstance(whole, list):
        return len(part) <= len(whole) and all(map(is_beginning, part, whole))
    return compact(part) == compact(whole)
