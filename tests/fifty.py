"""Fifty JSON Schemas of rising difficulty, each with what a model is asked for under it.

Small on purpose: bounded strings and arrays, so that a small model comes to an end.
"""

from __future__ import annotations

from typing import Any, NamedTuple


class Case(NamedTuple):
    """`name` says what is hard about it."""

    name: str
    question: str
    schema: dict[str, Any]


Json = dict[str, Any]
WORD: Json = {"type": "string", "minLength": 1, "maxLength": 12}
DIGIT: Json = {"type": "integer", "minimum": 0, "maximum": 9}
YES: Json = {"type": "boolean"}


def obj(required: list[str] | None = None, **properties: Any) -> Json:
    """An object of these properties and no others, all required unless told."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties) if required is None else required,
        "additionalProperties": False,
    }


def some(items: Json, least: int = 1, most: int = 3) -> Json:
    return {"type": "array", "items": items, "minItems": least, "maxItems": most}


def one_of(*values: Any) -> Json:
    return {"enum": list(values)}


def ref(name: str) -> Json:
    return {"$ref": f"#/$defs/{name}"}


def of_format(name: str) -> Json:
    return {"type": "string", "format": name, "maxLength": 40}


_PERSON = "Invent a person."
_THING = "Describe a thing in a kitchen."

CASES = (
    # values
    Case("string", _PERSON, obj(name=WORD)),
    Case("integer", "How many legs has a dog?", obj(legs=DIGIT)),
    Case("number", "What does bread cost?", obj(price={"type": "number"})),
    Case("boolean", "Is water wet?", obj(wet=YES)),
    Case("null", "Say nothing.", obj(nothing={"type": "null"})),
    Case("two-properties", _PERSON, obj(name=WORD, age=DIGIT)),
    Case("optional", _PERSON, obj(["name"], name=WORD, age=DIGIT)),
    Case("nullable", _PERSON, obj(nickname={"type": ["string", "null"], "maxLength": 12})),
    Case("several-types", _THING, obj(size={"type": ["integer", "boolean"]})),
    Case("length", "Name a colour.", obj(colour={"type": "string", "minLength": 3,
                                                 "maxLength": 6})),
    # enums and constants
    Case("enum", "Is the mood good?", obj(mood=one_of("good", "bad"))),
    Case("enum-of-numbers", "Pick a number.", obj(pick=one_of(1, 2, 3))),
    Case("enum-mixed", "Pick one.", obj(pick=one_of("a", 1, None, True))),
    Case("const", "Say the version.", obj(version={"const": "1.0"})),
    Case("const-beside", _THING, obj(kind={"const": "thing"}, name=WORD)),
    # numbers
    Case("range", "How old is a pupil?", obj(age={"type": "integer", "minimum": 6,
                                                 "maximum": 18})),
    Case("negative", "How cold is it?", obj(degrees={"type": "integer", "minimum": -40,
                                                    "maximum": -1})),
    Case("exclusive", "Pick a digit.", obj(pick={"type": "integer", "exclusiveMinimum": 0,
                                                "exclusiveMaximum": 9})),
    Case("multiple-of", "Pick a multiple of five.", obj(pick={"type": "integer", "minimum": 0,
                                                             "maximum": 9, "multipleOf": 5})),
    # arrays
    Case("array", "Name fruits.", obj(fruits=some(WORD))),
    Case("array-at-the-top", "Name fruits.", some(WORD)),
    Case("fixed-length", "Two digits.", obj(digits=some(DIGIT, 2, 2))),
    Case("array-of-enums", "Pick colours.", obj(colours=some(one_of("red", "green", "blue")))),
    Case("array-of-arrays", "A grid of digits.", obj(grid=some(some(DIGIT, 2, 2), 2, 2))),
    Case("array-of-objects", "Two people.", obj(people=some(obj(name=WORD), 1, 2))),
    Case("empty-array", "Nothing, please.", obj(things=some(WORD, 0, 0))),
    Case("tuple", "A name and a digit.", obj(pair={"type": "array", "prefixItems": [WORD, DIGIT],
                                                  "items": False, "minItems": 2})),
    Case("unique", "Different colours.", obj(colours={**some(one_of("red", "green"), 1, 2),
                                                     "uniqueItems": True})),
    Case("contains", "Digits, one of them 1.", obj(digits={**some(DIGIT, 1, 2),
                                                          "contains": {"const": 1}})),
    # objects
    Case("nested", _PERSON, obj(person=obj(name=WORD))),
    Case("nested-thrice", "Where is it?", obj(a=obj(b=obj(c=DIGIT)))),
    Case("map", "Count fruits.", {"type": "object", "additionalProperties": DIGIT,
                                 "minProperties": 0, "maxProperties": 2}),
    Case("empty-object", "Nothing.", obj()),
    Case("dependent", _PERSON, {**obj(["name"], name=WORD, first=YES, last=YES),
                               "dependentRequired": {"first": ["last"]}}),
    Case("property-names", "Two marks.", {"type": "object", "additionalProperties": DIGIT,
                                         "propertyNames": {"maxLength": 12},
                                         "maxProperties": 2}),
    # references
    Case("ref", _PERSON, {**obj(person=ref("person")), "$defs": {"person": obj(name=WORD)}}),
    Case("ref-twice", "Two people.", {**obj(one=ref("p"), other=ref("p")),
                                     "$defs": {"p": obj(name=WORD)}}),
    Case("ref-chain", _THING, {**obj(thing=ref("a")),
                              "$defs": {"a": obj(inner=ref("b")), "b": DIGIT}}),
    Case("ref-at-the-top", _PERSON, {"$defs": {"p": obj(name=WORD)}, "$ref": "#/$defs/p"}),
    Case("recursive", "A chain of two.", {
        "$defs": {"node": obj(value=DIGIT, next={"anyOf": [ref("node"), {"type": "null"}]})},
        **obj(chain=ref("node")),
    }),
    # alternatives
    Case("any-of", "A digit or a word.", obj(value={"anyOf": [DIGIT, WORD]})),
    Case("any-of-objects", "A cat or a dog.", obj(pet={"anyOf": [
        obj(kind={"const": "cat"}, lives=DIGIT), obj(kind={"const": "dog"}, good=YES)]})),
    Case("one-of", "A digit or a truth.", obj(value={"oneOf": [DIGIT, YES]})),
    Case("all-of", _PERSON, {"allOf": [
        {"type": "object", "properties": {"name": WORD}, "required": ["name"]},
        {"type": "object", "properties": {"age": DIGIT}, "required": ["age"]}]}),
    # formats, patterns, and names from everywhere
    Case("date", "When was it?", obj(day=of_format("date"))),
    Case("date-time", "When exactly?", obj(at=of_format("date-time"))),
    Case("uuid", "Make up an id.", obj(id=of_format("uuid"))),
    Case("email", "Make up an address.", obj(mail=of_format("email"))),
    Case("pattern", "A plate.", obj(plate={"type": "string", "pattern": "^[A-Z]{2}[0-9]{2}$"})),
    Case("unicode-keys", "Größe?", obj(**{"größe": DIGIT, "名前": WORD, "sp ace": YES})),
)  # fmt: skip
