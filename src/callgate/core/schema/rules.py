"""What each target takes of JSON Schema, as tables.

https://json-schema.org/draft/2020-12/json-schema-validation; the sources of a row stand above it.
A keyword that no table here knows is an annotation by that standard's own rule (section 6.5 of the
core), and constrains nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal, NamedTuple

Target = Literal[
    "gemini", "gemini-openapi", "anthropic", "bedrock", "nova",
    "openai-format", "claude-format", "converse-format", "cohere-format", "llama.cpp",
]  # fmt: skip
"""The schemas of functions and of answers; those named `format` are of answers only."""

MAX_DEPTH = 32
MAX_NODES = 5_000
"""Subschemas of one schema, counted after its references are resolved."""

MAX_COPIED = 256 * 1024
"""Bytes that references put in their places, where the target takes none."""

DEFINITIONS = frozenset({"$defs", "definitions"})
MAPS = DEFINITIONS | {"properties", "patternProperties", "dependentSchemas"}
LISTS = frozenset({"anyOf", "oneOf", "allOf", "prefixItems"})
SINGLES = frozenset(
    {
        "items", "additionalProperties", "additionalItems", "unevaluatedProperties",
        "unevaluatedItems", "not", "if", "then", "else", "contains", "propertyNames",
    }
)  # fmt: skip
"""Keywords that hold schemas: by name, in order, or one."""

VALUES = frozenset(
    {
        "enum", "const", "format", "pattern", "minLength", "maxLength", "minimum", "maximum",
        "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minItems", "maxItems",
        "uniqueItems", "minProperties", "maxProperties", "propertyNames", "contentEncoding",
        "contentMediaType",
    }
)  # fmt: skip
"""Keywords that bound a value and can be told in words where the target cannot enforce them."""

CONDITIONS = frozenset(
    {
        "not", "if", "then", "else", "dependentRequired", "dependentSchemas", "dependencies",
        "contains", "minContains", "maxContains", "patternProperties", "unevaluatedProperties",
        "unevaluatedItems",
    }
)  # fmt: skip
"""Keywords that only narrow what the others describe, so that a schema without them still guides
the model, and what they demand can be checked of its answer."""

SHAPES = MAPS | LISTS | SINGLES | frozenset(
    {
        "type", "required", "dependentRequired", "dependencies", "minContains", "maxContains",
        "$ref", "$dynamicRef", "$recursiveRef", "nullable",
    }
)  # fmt: skip
"""Keywords that decide what the value looks like."""

_ANNOTATIONS = frozenset({"description", "default"})
_STRUCTURE = frozenset({"type", "properties", "required", "items", "enum", "anyOf"})
_BOUNDS = frozenset({"minimum", "maximum", "minItems", "maxItems"})
_SIZES = frozenset({"minLength", "maxLength", "pattern", "minProperties", "maxProperties"})
_REFERENCES = frozenset({"$ref", "$defs", "definitions"})
_FORMATS = frozenset(
    {"date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"}
)


class Rules(NamedTuple):
    """One target. `keeps` is None where it takes every keyword.

    `rewrites` names the steps of `core.schema.steps` that run on each node, in this order;
    `resolves` says that references are inlined and `allOf` merged before that. `formats` are the
    values of `format`, `enums` the types of an enum's members, `root` the keywords of the
    outermost node; None means any. `typed` has every node
    state its type, `object_root` has that node be of type object, `bare_root` has
    it hold no `anyOf`, `oneOf` or `allOf`. `closed` has every object say that it has no other
    properties than the declared ones, `complete` also that all of them are required; `acyclic` has
    no reference lead back to itself.
    """

    keeps: frozenset[str] | None
    resolves: bool = False
    rewrites: tuple[str, ...] = ()
    formats: frozenset[str] | None = None
    enums: tuple[type, ...] | None = None
    root: frozenset[str] | None = None
    typed: bool = False
    object_root: bool = False
    bare_root: bool = False
    closed: bool = False
    complete: bool = False
    acyclic: bool = False


_CLAUDE_FORMAT = Rules(
    keeps=_ANNOTATIONS
    | _STRUCTURE
    | _REFERENCES
    | {"title", "const", "allOf", "additionalProperties", "format"},
    rewrites=("one_of_to_any_of", "closed_objects"),
    formats=_FORMATS | {"uri"},
    enums=(str, int, float, bool, type(None)),
    closed=True,
    acyclic=True,
)

RULES: Mapping[Target, Rules] = MappingProxyType(
    {
        # `parametersJsonSchema`, `responseJsonSchema`:
        # https://ai.google.dev/api/generate-content#FIELDS.response_json_schema
        "gemini": Rules(
            keeps=_ANNOTATIONS
            | _STRUCTURE
            | _BOUNDS
            | {"oneOf", "prefixItems", "additionalProperties", "format", "propertyOrdering"},
            resolves=True,
            rewrites=(
                "tuple_items",
                "const_to_enum",
                "null_of_enum",
                "nullable_to_type",
                "inclusive_bounds",
                "declare_required",
                "open_properties",
            ),
            enums=(str, int, float),
        ),
        # `parameters`, `responseSchema`: https://ai.google.dev/api/caching#Schema; the formats
        # are those of Google AI, which takes fewer than Vertex AI
        "gemini-openapi": Rules(
            keeps=_ANNOTATIONS
            | _STRUCTURE
            | _BOUNDS
            | _SIZES
            | {"format", "nullable", "propertyOrdering", "example"},
            resolves=True,
            rewrites=(
                "const_to_enum",
                "one_of_to_any_of",
                "null_of_enum",
                "types_to_nullable",
                "null_branch",
                "inclusive_bounds",
                "closed_properties",
                "declare_type",
            ),
            formats=frozenset({"date-time", "enum", "int32", "int64", "float", "double"}),
            enums=(str,),
            typed=True,
        ),
        # https://platform.claude.com/docs/en/agents-and-tools/tool-use/implement-tool-use; it says
        # itself "input_schema does not support oneOf, allOf, or anyOf at the top level"
        "anthropic": Rules(keeps=None, object_root=True, bare_root=True),
        # https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ToolInputSchema.html;
        # the outermost type has to be `object` for every model
        "bedrock": Rules(keeps=None, object_root=True),
        # https://docs.aws.amazon.com/nova/latest/userguide/tool-use-definition.html: the outermost
        # node takes these three keywords only, so nothing can be defined there for a reference
        "nova": Rules(
            keeps=None,
            resolves=True,
            object_root=True,
            bare_root=True,
            root=frozenset({"type", "properties", "required"}),
        ),
        # https://developers.openai.com/api/docs/guides/structured-outputs#supported-schemas
        "openai-format": Rules(
            keeps=_STRUCTURE
            | _BOUNDS
            | _REFERENCES
            | {
                "description",
                "title",
                "const",
                "additionalProperties",
                "format",
                "pattern",
                "exclusiveMinimum",
                "exclusiveMaximum",
                "multipleOf",
            },
            rewrites=("one_of_to_any_of", "closed_objects"),
            formats=_FORMATS,
            object_root=True,
            bare_root=True,
            closed=True,
            complete=True,
        ),
        # https://platform.claude.com/docs/en/build-with-claude/structured-outputs
        # #json-schema-limitations, and for Converse
        # https://docs.aws.amazon.com/bedrock/latest/userguide/structured-output.html
        "claude-format": _CLAUDE_FORMAT,
        "converse-format": _CLAUDE_FORMAT._replace(object_root=True),
        # https://docs.cohere.com/docs/structured-outputs#unsupported-schema-features
        "cohere-format": Rules(
            keeps=_ANNOTATIONS
            | _STRUCTURE
            | _REFERENCES
            | {"title", "const", "additionalProperties", "format", "pattern"},
            rewrites=("one_of_to_any_of",),
            formats=frozenset({"date-time", "date", "time", "uuid"}),
            object_root=True,
            bare_root=True,
            acyclic=True,
        ),
        # https://github.com/ggml-org/llama.cpp/blob/master/grammars/README.md#json-schemas--gbnf:
        # what it does not know it ignores, but for schemas that are not objects
        "llama.cpp": Rules(keeps=None, rewrites=("tuple_items", "object_schemas")),
    }
)
