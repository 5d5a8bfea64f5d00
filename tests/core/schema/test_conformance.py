"""Texts held against schemas."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest

from callgate.core.schema.conformance import MAX_WORK, Checker, Verdict, installed
from callgate.errors import GatewayError

PATH = "response_format.json_schema.schema"
PERSON = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "pattern": "^[A-Z]"},
        "age": {"type": "integer", "minimum": 0},
        "mail": {"type": "string", "format": "email"},
    },
    "required": ["name", "age"],
    "additionalProperties": False,
}


def refused(schema: Any) -> GatewayError:
    with pytest.raises(GatewayError) as caught:
        Checker(schema, 100, PATH)
    return caught.value


def test_the_extra_is_installed_for_the_tests() -> None:
    assert installed()


def test_a_conforming_text_passes() -> None:
    checker = Checker(PERSON, 100, PATH)
    assert checker.check('{"name": "Ada", "age": 36, "mail": "ada@example.org"}').violations == ()


def test_every_violation_is_told_with_its_path_and_without_the_value() -> None:
    verdict = Checker(PERSON, 100, PATH).check('{"name": "secret", "age": "36", "mail": "x"}')
    assert verdict.parsed
    assert sorted(one.partition(":")[0] for one in verdict.violations) == ["age", "mail", "name"]
    assert "secret" not in str(verdict.violations)
    assert Checker({"items": {"type": "string"}}, 9, PATH).check('["a", 4]').violations == (
        '[1]: value is not of type "string"',
    )
    (missing,) = Checker(PERSON, 100, PATH).check('{"name": "A"}').violations
    assert missing == 'the answer: "age" is a required property'


@pytest.mark.parametrize(
    "text", ["", "  ", "{", "{'a': 1}", "NaN", '{"a": 1} and more', "```{}```"]
)
def test_what_is_no_json_is_told_as_that(text: str) -> None:
    verdict = Checker({}, 2, PATH).check(text)
    assert not verdict.parsed
    assert len(verdict.violations) == 1


def test_without_a_schema_any_object_or_any_value_will_do() -> None:
    assert Checker(None).check("{}").violations == ()
    assert Checker(None).check("[]").violations == ("the answer: value is not an object",)
    assert Checker(None, objects=False).check("[]").violations == ()
    assert not Checker(None, objects=False).check("[").parsed


@pytest.mark.parametrize(
    ("schema", "path"),
    [
        ({"type": "strin"}, "type"),
        ({"properties": {"age": {"type": "number", "minimum": "x"}}}, "properties.age.minimum"),
        ({"properties": {"age": {"type": 5}}}, "properties.age.type"),
        ({"required": "name"}, "required"),
        ({"anyOf": []}, "anyOf"),
        ({"items": {"pattern": "(a"}}, "items.pattern"),
        ({"properties": {"größe": {"enum": 3}}}, 'properties."größe".enum'),
        ({"$defs": {"a": {"maxLength": -1}}}, "$defs.a.maxLength"),
    ],
)
def test_an_invalid_schema_is_refused_by_the_path_in_it(schema: Any, path: str) -> None:
    error = refused(schema)
    assert error.kind.type == "invalid_field"
    assert error.param == f"{PATH}.{path}"
    assert error.errors[0].startswith(f"{PATH}.{path}: ")


def test_what_is_no_schema_is_called_that() -> None:
    error = refused({"properties": {"city": "string"}})
    assert error.errors == (f"{PATH}.properties.city: expected a schema: an object, true or false",)


@pytest.mark.parametrize("name", ["objekt", "any", "String", ["string", "nil"], 5, None, []])
@pytest.mark.parametrize("draft", [{}, {"$schema": "http://json-schema.org/draft-04/schema#"}])
def test_who_misspells_a_type_is_told_which_there_are(name: object, draft: dict[str, Any]) -> None:
    error = refused({**draft, "properties": {"type": {"type": name}}})
    assert error.param == f"{PATH}.properties.type.type"
    assert "expected 'array', 'boolean', 'integer', 'null', 'number', " in error.message


@pytest.mark.parametrize(
    ("value", "same", "others"),
    [
        (1, ["1", "1.0", "1e0"], ["true", '"1"', "[1]"]),
        (True, ["true"], ["1", "1.0", '"true"']),
        (0, ["0", "0.0", "-0"], ["false", "null", '""']),
        ([{"a": False}], ['[{"a": false}]'], ['[{"a": 0}]', "[false]"]),
    ],
)
def test_a_number_is_equal_by_its_value_and_never_to_true_or_false(
    value: object, same: list[str], others: list[str]
) -> None:
    for schema in ({"const": value}, {"enum": ["x", value]}):
        checker = Checker(schema, 100, PATH)
        assert not any(checker.check(text).violations for text in same)
        assert all(checker.check(text).violations for text in others)


@pytest.mark.parametrize("pattern", ["^(?=a)b", r"(a)\1", "a{1000}{1000}"])
def test_a_pattern_that_cannot_be_bounded_is_refused_as_unsupported(pattern: str) -> None:
    error = refused({"items": {"pattern": pattern}})
    assert (error.kind.type, error.param) == ("unsupported_field", f"{PATH}.items.pattern")


def test_a_catastrophic_pattern_takes_no_time() -> None:
    checker = Checker({"pattern": "^(a+)+$"}, 20, PATH)
    started = time.process_time()
    assert checker.check(f'"{"a" * 100_000}!"').violations
    assert time.process_time() - started < 1


def test_a_large_answer_full_of_faults_takes_no_time() -> None:
    checker = Checker({"items": {"type": "string"}}, 20, PATH)
    started = time.process_time()
    assert len(checker.check(f"[{'1,' * 100_000}1]").violations) == 1
    assert time.process_time() - started < 1


def test_an_answer_beyond_the_bound_is_not_checked_and_does_not_pass() -> None:
    checker = Checker({"items": {"anyOf": [{"type": "string"}] * 1000}}, 20, PATH)
    text = f"[{'1,' * (MAX_WORK // 2000)}1]"
    assert checker.work(text) > MAX_WORK
    assert "too large" in checker.check(text).violations[0]


def test_an_older_draft_is_read_as_such() -> None:
    draft = {"$schema": "http://json-schema.org/draft-07/schema#", "items": [{"type": "string"}]}
    assert Checker(draft, 9, PATH).check("[1]").violations
    unknown = {"$schema": "https://example.org/own", "$id": "https://example.org/x", "type": "null"}
    assert not Checker(unknown, 9, PATH).check("null").violations


def test_numbers_of_any_size_are_checked() -> None:
    checker = Checker({"type": "integer"}, 9, PATH)
    assert not checker.check("1" * 40).violations
    assert not checker.check("1.0").violations
    assert checker.check("1.5").violations


def test_without_the_extra_the_operator_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jsonschema_rs", None)
    error = refused(PERSON)
    assert error.kind.type == "checker_missing"
    assert "the extra 'structured'" in error.message
    assert "`callgate check` says how" in error.fix


@pytest.mark.parametrize(
    "member", [lambda n: {"a": [n]}, lambda n: [n], lambda n: n + 0.5, lambda n: n or "word"]
)
def test_what_an_answer_is_compared_with_counts_as_work(member: Callable[[int], object]) -> None:
    """An enum that is not of strings alone is gone through for each value."""
    schema = {"type": "array", "items": {"enum": [member(n) for n in range(5000)]}}
    few, many = (json.dumps([member(4999)] * count) for count in (5, 30_000))
    checker = Checker(schema, 100_000, "p")
    started = time.process_time()
    assert checker.check(few) == Verdict(())
    assert "too large" in checker.check(many).violations[0]
    assert time.process_time() - started < 1


def test_an_enum_of_strings_is_no_work() -> None:
    schema = {"type": "array", "items": {"enum": [f"e{n}" for n in range(5000)]}}
    assert Checker(schema, 100_000, "p").weight == 2


@pytest.mark.parametrize(
    ("by", "value"),
    [(0.01, 1e-300), (2.5, 1e300), (1e-300, 1.5), (0.1, 10**300)],
    ids=["small", "large", "by", "digits"],
)
def test_exact_division_of_far_numbers_counts_as_work(by: float, value: float) -> None:
    checker = Checker({"type": "array", "items": {"multipleOf": by}}, 100, PATH)
    started = time.process_time()
    assert "too large" in checker.check(json.dumps([value] * 20_000)).violations[0]
    assert time.process_time() - started < 1
    near = Checker({"type": "array", "items": {"multipleOf": 0.01}}, 100, PATH)
    assert near.check(json.dumps([1.25, 100] * 20_000)) == Verdict(())
