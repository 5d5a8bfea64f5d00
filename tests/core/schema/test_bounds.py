"""What a caller's schema may cost, and what of it makes no sense."""

from __future__ import annotations

import time
from typing import Any

import pytest

from callgate.core.schema.bounds import MAX_BYTES, MAX_WEIGHT, check_bounds
from callgate.errors import GatewayError

PATH = "response_format.json_schema.schema"


def obj(required: bool = True, **properties: Any) -> dict[str, Any]:
    made: dict[str, Any] = {"type": "object", "properties": properties}
    return {**made, "required": list(properties)} if required else made


def ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/$defs/{name}"}


def refused(schema: Any, size: int = 100) -> GatewayError:
    with pytest.raises(GatewayError) as caught:
        check_bounds(schema, size, PATH)
    assert caught.value.kind.type == "invalid_field"
    return caught.value


@pytest.mark.parametrize(
    "schema",
    [
        {},
        obj(name={"type": "string"}, tags={"type": "array", "items": {"enum": ["a", "b"]}}),
        # Recursive, with an end: an optional property, a null, an empty array.
        {"$defs": {"node": obj(False, next=ref("node"))}, **ref("node")},
        {"$defs": {"n": obj(next={"anyOf": [ref("n"), {"type": "null"}]})}, **ref("n")},
        {"$defs": {"n": obj(children={"type": "array", "items": ref("n")})}, **ref("n")},
        obj(next={"anyOf": [{"$ref": "#"}, {"type": "null"}]}),
        {"$defs": {"a/b": {"type": "string"}}, "$ref": "#/$defs/a~1b"},
        {"type": "array", "items": [{"type": "string"}, {"$ref": "#/items/0"}]},
        obj(**{"$ref": {"type": "string"}}),
    ],
)
def test_sound_schemas_pass(schema: Any) -> None:
    assert 1 <= check_bounds(schema, 100, PATH) <= MAX_WEIGHT


@pytest.mark.parametrize(
    ("schema", "path", "words"),
    [
        (obj(a={"$ref": "https://example.com/x"}), "properties.a.$ref", "same schema"),
        (obj(a={"$ref": "other.json"}), "properties.a.$ref", "same schema"),
        (obj(a=ref("nowhere")), "properties.a.$ref", "refers to nothing"),
        (obj(a={"$ref": "#/required"}), "properties.a.$ref", "not a schema"),
        (obj(a={"$dynamicRef": "#x"}), "properties.a.$dynamicRef", "not supported"),
        ({"$defs": {"a": ref("b"), "b": ref("a")}, **ref("a")}, "$ref", "circle"),
        ({"$defs": {"a": {"allOf": [ref("a")]}}, **obj(x=ref("a"))}, "$defs.a.allOf[0].$ref",
         "circle"),
        ({"$defs": {"n": obj(next=ref("n"))}, **ref("n")}, "$ref",
         "finite"),
        ({"$defs": {"n": {"type": "array", "minItems": 1, "items": ref("n")}}, **ref("n")},
         "$ref", "finite"),
        (obj(a={"pattern": "a" * 1001}), "properties.a.pattern", "1000 characters"),
        (obj(a={"enum": list(range(5001))}), "properties.a.enum", "5000 members"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused_by_its_path(schema: Any, path: str, words: str) -> None:
    error = refused(schema)
    assert error.param == f"{PATH}.{path}"
    assert words in error.message


def test_size_depth_and_number_are_bounded() -> None:
    assert "bytes" in refused({}, MAX_BYTES + 1).message
    deep: dict[str, Any] = {"type": "string"}
    for _ in range(40):
        deep = obj(x=deep)
    assert "nested deeper" in refused(deep).message
    wide = obj(**{f"p{n}": {"type": "string"} for n in range(5001)})
    assert "subschemas" in refused(wide).message
    patterned = obj(**{f"p{n}": {"pattern": "a"} for n in range(201)})
    assert "patterns" in refused(patterned).message
    assert "references" in refused(obj(**{f"p{n}": ref(f"d{n}") for n in range(501)})).message
    assert refused([]).param == PATH


@pytest.mark.parametrize("inner", ["in place", "by a part"])
def test_a_schema_whose_parts_multiply_is_refused_in_no_time(inner: str) -> None:
    def twice(name: str) -> dict[str, Any]:
        one = ref(name) if inner == "in place" else obj(x=ref(name))
        return {"allOf": [one, one]}

    defs = {f"d{n}": twice(f"d{n + 1}") for n in range(60)} | {"d60": {"type": "string"}}
    started = time.process_time()
    assert "checks a value against" in refused({"$defs": defs, **ref("d0")}).message
    assert time.process_time() - started < 0.5


def test_references_within_each_other_are_bounded() -> None:
    chain = {f"d{n}": obj(a=ref(f"d{n + 1}")) for n in range(100)}
    schema = {"$defs": {**chain, "d100": {"type": "string"}}, **ref("d0")}
    assert "within each other" in refused(schema).message


def test_depth_through_references_is_bounded() -> None:
    def deep(inner: Any) -> Any:
        for _ in range(28):
            inner = {"type": "array", "items": inner}
        return inner

    chain = {f"d{n}": deep(ref(f"d{n + 1}")) for n in range(60)}
    schema = {"$defs": {**chain, "d60": {"type": "string"}}, **ref("d0")}
    assert "schemas within each other" in refused(schema).message


def test_the_largest_schema_is_looked_at_in_bounded_time() -> None:
    names = [f"d{n}" for n in range(480)]
    groups = {
        f"g{n}": obj(**{name: ref(name) for name in names[n * 48 :] + names[: n * 48]})
        for n in range(8)
    }
    defs = {name: {"type": "string"} for name in names} | groups
    schema = {"$defs": defs, **obj(**{name: ref(name) for name in groups})}
    started = time.process_time()
    check_bounds(schema, 100, PATH)
    assert time.process_time() - started < 2


def test_properties_do_not_weigh_on_each_other() -> None:
    assert check_bounds(obj(**{f"p{n}": {"type": "string"} for n in range(1000)}), 9, PATH) == 2
    assert check_bounds({"anyOf": [{"type": "string"}] * 30}, 9, PATH) == 31
