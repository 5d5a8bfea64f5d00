"""The walk that tells every mistake of a value, and the pruning of what is unknown."""

from __future__ import annotations

import datetime
from typing import Annotated, Any, Literal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta, Struct

from callgate.core.fieldpath import covers, join, value_at
from callgate.core.shape import Fault, inspect, prune


class Leaf(Struct, forbid_unknown_fields=True):
    name: str
    size: Annotated[int, Meta(ge=1, le=10)] = 1


class Tree(Struct, forbid_unknown_fields=True):
    label: Annotated[str, Meta(min_length=1, max_length=5)]
    mode: Literal["slow", "fast"] | None = None
    ratio: Annotated[float, Meta(gt=0, lt=1)] | None = None
    content: str | list[Leaf] | None = None
    leaves: Annotated[list[Leaf], Meta(max_length=2)] = []
    by_name: dict[str, Leaf] = {}
    weights: dict[str, float] = {}
    free: dict[str, Any] = {}
    flag: bool = False
    day: datetime.date | None = None
    code: Annotated[str, Meta(pattern="^[a-z]+$")] = "a"
    child: Tree | None = None
    exact: Literal[1] = 1
    times: Annotated[int, Meta(multiple_of=5)] = 5


class Open(Struct):
    name: str


def texts(value: object, type_: Any = Tree) -> list[str]:
    return [str(fault) for fault in inspect(value, type_).faults]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({}, "missing required field 'label'"),
        ({"label": 5}, "label: expected a string, got an integer"),
        ({"label": None}, "label: expected a string, got null"),
        ({"label": ""}, "label: must not be empty"),
        ({"label": "abcdef"}, "label: must have at most 5 characters, has 6"),
        ({"label": "a", "mode": "x"}, "mode: expected one of 'fast', 'slow', got 'x'"),
        ({"label": "a", "mode": 3}, "mode: expected one of 'fast', 'slow', got 3"),
        ({"label": "a", "mode": []}, "mode: expected one of 'fast', 'slow', got an array"),
        ({"label": "a", "ratio": "x"}, "ratio: expected a number, got a string"),
        ({"label": "a", "ratio": True}, "ratio: expected a number, got a boolean"),
        ({"label": "a", "ratio": 0}, "ratio: must be more than 0, got 0"),
        ({"label": "a", "ratio": 1.5}, "ratio: must be less than 1, got 1.5"),
        ({"label": "a", "content": 5}, "content: expected a string or an array, got an integer"),
        ({"label": "a", "content": [5]}, "content[0]: expected an object, got an integer"),
        ({"label": "a", "content": [{}]}, "missing required field 'content[0].name'"),
        ({"label": "a", "leaves": {}}, "leaves: expected an array, got an object"),
        ({"label": "a", "leaves": [1, 2, 3]}, "leaves: must have at most 2 items, has 3"),
        ({"label": "a", "by_name": {"x y": {"name": 1}}},
         'by_name."x y".name: expected a string, got an integer'),
        ({"label": "a", "by_name": {"k": {"name": "n", "size": 0}}},
         "by_name.k.size: must be at least 1, got 0"),
        ({"label": "a", "by_name": {"k": {"name": "n", "size": 2**200}}},
         "by_name.k.size: must be at most 10, got a far larger number"),
        ({"label": "a", "by_name": {"k": {"name": "n", "size": 2.0}}},
         "by_name.k.size: expected an integer, got 2.0"),
        ({"label": "a", "weights": {"50256": "x"}},
         "weights.50256: expected a number, got a string"),
        ({"label": "a", "free": []}, "free: expected an object, got an array"),
        ({"label": "a", "flag": 1}, "flag: expected a boolean, got an integer"),
        ({"label": "a", "day": 5}, "day: expected date, got int"),
        ({"label": "a", "code": "A1"}, "code: must match ^[a-z]+$, got 'A1'"),
        ({"label": "a", "child": {"label": "b", "child": {}}},
         "missing required field 'child.child.label'"),
        ({"label": "a", "exact": 2}, "exact: expected 1, got 2"),
        ({"label": "a", "exact": True}, "exact: expected 1, got true"),
        ({"label": "a", "times": 7}, "times: must be a multiple of 5, got 7"),
        ([], "expected an object, got an array"),
    ],
)  # fmt: skip
def test_one_mistake_is_told_with_its_path(value: object, expected: str) -> None:
    assert texts(value) == [expected]
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(value, Tree)


def test_all_mistakes_are_told_in_the_order_of_the_fields() -> None:
    value = {"flag": 1, "mode": "x", "leaves": [{"size": 0}, {"name": 1}]}
    assert texts(value) == [
        "missing required field 'label'",
        "mode: expected one of 'fast', 'slow', got 'x'",
        "missing required field 'leaves[0].name'",
        "leaves[0].size: must be at least 1, got 0",
        "leaves[1].name: expected a string, got an integer",
        "flag: expected a boolean, got an integer",
    ]


def test_a_sound_value_has_no_faults() -> None:
    value = {
        "label": "a", "mode": "fast", "ratio": 0.5, "content": None, "leaves": [{"name": "n"}],
        "by_name": {"k": {"name": "n"}}, "weights": {"1": 1}, "free": {"any": [1, {}]},
        "day": "2026-01-02", "child": {"label": "b"},
    }  # fmt: skip
    assert inspect(value, Tree) == ([], [], True)
    assert msgspec.convert(value, Tree).child == Tree(label="b")


def test_a_date_that_the_file_format_has_parsed_is_a_date() -> None:
    assert texts({"label": "a", "day": datetime.date(2026, 1, 2)}) == []


def test_unknown_fields_are_listed_apart_from_faults() -> None:
    value = {"label": 1, "lable": 2, "leaves": [{"name": "n", "a.b": 1, "colour": 2}]}
    report = inspect(value, Tree)
    assert report.faults == [Fault("label", "expected a string, got an integer")]
    assert report.unknown == ['leaves[0]."a.b"', "leaves[0].colour", "lable"]


def test_a_struct_that_allows_unknown_fields_has_none() -> None:
    assert inspect({"name": "n", "more": 1}, Open) == ([], [], True)


def test_an_overlong_unknown_name_is_a_fault_and_shown_shortened() -> None:
    report = inspect({"label": "a", "x" * 5000: 1}, Tree)
    assert report.unknown == []
    assert len(report.faults) == 1
    assert len(str(report.faults[0])) < 120


def test_a_flood_of_mistakes_ends_the_walk() -> None:
    report = inspect([5] * 5000, list[str])
    assert len(report.faults) == 1000
    assert not report.complete


def test_a_flood_of_unknown_fields_is_a_fault() -> None:
    report = inspect([{"name": "n", "x": 1}] * 30_000, list[Leaf])
    assert [str(fault) for fault in report.faults] == ["more than 20000 unknown fields"]
    assert not report.complete


def test_prune_leaves_out_the_unknown_and_shares_the_rest() -> None:
    value = {"a": {"b": 1, "c.d": [{"x": 1, "y": 2}]}, "z": 1, "a.b": 2}
    pruned = prune(value, ["z", 'a."c.d"[0].x', '"a.b"'])
    assert pruned == {"a": {"b": 1, "c.d": [{"y": 2}]}}
    assert value["z"] == 1
    assert prune(value, []) is value
    assert prune(value, ["no[5].such", "z[0]"]) == value


keys = st.text(max_size=12) | st.sampled_from(["a.b", "[0]", '"', "\\", "a[0].b", "", "\n"])


@given(st.lists(keys, min_size=1, max_size=4))
def test_any_key_is_found_again_by_its_path(names: list[str]) -> None:
    value: Any = "here"
    for name in reversed(names):
        value = {name: value, name + "'": "other"}
    path = ""
    for name in names:
        path = join(path, name)
    assert value_at(value, path) == "here"
    without = prune(value, [path])
    assert value_at(without, path) is None


def test_a_path_covers_itself_and_what_lies_within() -> None:
    assert covers("a", "a")
    assert covers("a", "a.b")
    assert covers("a", "a[0]")
    assert not covers("a", "ab")
    assert not covers("a.b", "a")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=3) | st.sampled_from(["fast", "red", "n", 5, 1]),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from([*Tree.__struct_fields__, "name", "size", "zz"]), inner, max_size=4
    ),
    max_leaves=15,
)  # fmt: skip


@given(st.dictionaries(st.sampled_from([*Tree.__struct_fields__, "zz"]), json_values, max_size=6))
def test_the_walk_and_msgspec_agree_on_what_is_sound(value: dict[str, Any]) -> None:
    report = inspect(value, Tree)
    try:
        msgspec.convert(value, Tree)
    except msgspec.ValidationError:
        assert report.faults or report.unknown
    else:
        assert not report.faults
        assert not report.unknown
