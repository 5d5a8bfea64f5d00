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
    """What one target accepts of JSON Schema, and how a schema is rewritten for it."""

    # The keywords that it accepts; None: all.
    keeps: frozenset[str] | None
    # References are inlined and `allOf` is merged before anything else.
    resolves: bool = False
    # The steps of `core.schema.steps` that are then applied to each node, in this order.
    rewrites: tuple[str, ...] = ()
    # The values of `format`, the types of an enum's members, and the outermost node's keywords that
    # it accepts; None: any.
    formats: frozenset[str] | None = None
    enums: tuple[type, ...] | None = None
    root: frozenset[str] | None = None
    # Every node has to state its type.
    typed: bool = False
    # The outermost node has to be of type object.
    object_root: bool = False
    # The outermost node must not have `anyOf`, `oneOf` or `allOf`.
    bare_root: bool = False
    # Every object has to exclude undeclared properties.
    closed: bool = False
    # Every object has to require all of its properties, too.
    complete: bool = False
    # References must not be recursive.
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
