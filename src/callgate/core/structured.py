"""How a target is brought to answer in the form that `response_format` asks for.

There are four ways, and each attempt chooses again, from what is known of its target: `native`, the
target's own parameter; `tool`, a function that the model has to call, whose arguments are the
answer; `object`, instructions beside the target's own mode of JSON; `prompt`, instructions alone.
In each the caller sees plain `message.content`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import msgspec
from msgspec import Raw

from callgate.core.chat import (
    ChatBody,
    Function,
    Json,
    JsonSchema,
    Message,
    NamedFunction,
    NamedTool,
    Part,
    ResponseFormat,
    Tool,
)
from callgate.core.request import ChatRequest
from callgate.core.response import ChatResponse
from callgate.core.schema.adapt import adapt
from callgate.core.schema.example import example_of
from callgate.core.schema.rules import Target
from callgate.errors import GatewayError

Way = Literal["native", "tool", "object", "prompt"]

SCHEMA_PATH = "response_format.json_schema.schema"
_NOT_IN_A_NAME = re.compile(r"[^A-Za-z0-9_-]+")
_OPEN = ("anyOf", "oneOf", "allOf", "not", "if", "$ref")
_REASONING = ("reasoning_effort", "reasoning", "thinking")
_MAX_SHOWN = 32_768
_LIKE_THIS = "Answer with JSON in this form and nothing else:"
_encode = msgspec.json.Encoder().encode
_objects = msgspec.json.Decoder(list[Json]).decode


class Forms(NamedTuple):
    """What a target has of its own.

    `schema` are the rows of `core.schema.rules` that say what it takes of a JSON Schema, any of
    which will do; empty where it takes all, None where it takes none. `object` says whether it
    can be held to JSON of any form; `tool` how it is made to call a function: by that function's
    name, by `required`, or not at all, and `arguments` the rows for that function's schema.
    `lenient`: its schemas come with a `strict` that may be left out where it would refuse a
    schema. `beside_tools`: whether the caller may offer functions at the same time.
    """

    schema: tuple[Target, ...] | None = ()
    object: bool = True
    tool: Literal["named", "required", ""] = "named"
    arguments: tuple[Target, ...] = ()
    lenient: bool = False
    beside_tools: bool = True


class Plan(NamedTuple):
    """One way, and the request that goes it."""

    way: Way
    request: ChatRequest
    tool: str = ""


def plan(request: ChatRequest, forms: Forms, *, plainly: bool = False) -> Plan:
    """How to ask a target that has these forms; what the request asks for is left as it is.

    `plainly`: where instructions are the way, they are an example alone, for a model that a schema
    has led astray.
    """
    form = request.body.response_format
    assert form is not None
    schema = form.json_schema.schema if form.json_schema is not None else None
    if not forms.beside_tools and _has_tools(request.body):
        forms = forms._replace(schema=None, object=False)
    if form.type == "json_object" or form.json_schema is None or schema is None:
        if forms.object:
            return Plan("native", _with_form(request, ResponseFormat("json_object")))
        return Plan("prompt", _instructed(request, None, None))
    native = _native(form.json_schema, schema, forms)
    if native is not None:
        if native is form.json_schema:
            return Plan("native", request)
        return Plan("native", _with_form(request, ResponseFormat("json_schema", native)))
    if forms.tool and _may_force(request.body) and may_be_arguments(schema, forms):
        return _forced(request, form.json_schema, schema, forms)
    mode = ResponseFormat("json_object") if forms.object else None
    told = _instructed(request, schema, mode, plainly=plainly)
    return Plan("object" if forms.object else "prompt", told)


def _native(given: JsonSchema, schema: Json, forms: Forms) -> JsonSchema | None:
    """The schema as the target takes it: all of it, or what remains without what it refuses."""
    if forms.schema is None:
        return None
    if not forms.schema or (forms.lenient and not given.strict):
        return given
    for target in forms.schema:
        try:
            adapted = adapt(schema, target, SCHEMA_PATH, strict=True)
        except GatewayError:
            continue
        return given if adapted == schema else msgspec.structs.replace(given, schema=adapted)
    try:
        adapted = adapt(schema, forms.schema[0], SCHEMA_PATH, checked=True)
    except GatewayError:
        return msgspec.structs.replace(given, strict=False) if forms.lenient else None
    return msgspec.structs.replace(given, schema=adapted)


def _may_force(body: ChatBody) -> bool:
    """Whether a function of ours is the only one, and the model need not think first."""
    return not _has_tools(body) and all(getattr(body, name) is None for name in _REASONING)


def _has_tools(body: ChatBody) -> bool:
    return bool(body.tools or body.functions or body.web_search_options is not None)


def may_be_arguments(schema: Json, forms: Forms) -> bool:
    """Whether the schema will do for a function's arguments."""
    if schema.get("type") != "object" or any(key in schema for key in _OPEN):
        return False
    return not forms.arguments or any(_takes(schema, target) for target in forms.arguments)


def _takes(schema: Json, target: Target) -> bool:
    try:
        adapt(schema, target)
    except GatewayError:
        return False
    return True


def _forced(request: ChatRequest, given: JsonSchema, schema: Json, forms: Forms) -> Plan:
    name = _NOT_IN_A_NAME.sub("_", given.name)[:64]
    words = given.description or "Give the answer in this form."
    tool = Tool(function=Function(name=name, description=words, parameters=schema))
    named = NamedTool(function=NamedFunction(name))
    choice: NamedTool | Literal["required"] = named if forms.tool == "named" else "required"
    body = msgspec.structs.replace(
        request.body, response_format=None, tools=[tool], tool_choice=choice
    )
    raw = {name: value for name, value in request.raw.items() if name not in _REPLACED}
    raw["tools"] = Raw(_encode([tool_json(tool)]))
    raw["tool_choice"] = Raw(_encode(choice_json(choice)))
    return Plan("tool", request.replace(body=body, raw=raw), name)


_REPLACED = ("response_format", "tools", "tool_choice", "parallel_tool_calls")


def tool_json(tool: Tool) -> Json:
    """A function as the wire has it, its type included."""
    return {"type": tool.type, **msgspec.to_builtins(tool)}


def choice_json(choice: NamedTool | str) -> Any:
    """A choice of function as the wire has it, its type included."""
    return (
        choice if isinstance(choice, str) else {"type": choice.type, **msgspec.to_builtins(choice)}
    )


def _with_form(request: ChatRequest, form: ResponseFormat | None) -> ChatRequest:
    """The request with another `response_format`, or without one."""
    body = msgspec.structs.replace(request.body, response_format=form)
    raw = {name: value for name, value in request.raw.items() if name != "response_format"}
    if form is not None:
        raw["response_format"] = Raw(_encode(form))
    return request.replace(body=body, raw=raw)


# --- instructions --------------------------------------------------------------------------------


def _instructed(
    request: ChatRequest,
    schema: Json | None,
    form: ResponseFormat | None,
    *,
    plainly: bool = False,
) -> ChatRequest:
    example = None if schema is None else example_of(schema)
    words = "Answer with one JSON object"
    if schema is not None:
        words = f"Answer with JSON that conforms to this JSON Schema:\n{_encode(schema).decode()}\n"
        words += "Give the JSON value itself, not the schema"
    words += ". Write nothing else: no explanation, no comment, no code fence."
    if example is not None:
        shown = _with_last(request, f"{_LIKE_THIS}\n{_encode(example).decode()}")
        if shown is not None:
            return _with_form(shown if plainly else _with_system(shown, words), form)
    return _with_form(_with_system(request, words), form)


def is_astray(schema: Json, answer: object) -> bool:
    """Whether an answer has nothing of the form, such as the schema itself; None: it is no JSON."""
    example = example_of(schema)
    if isinstance(example, dict) and isinstance(answer, dict):
        return bool(example) and not example.keys() & answer.keys()
    return type(example) is not type(answer)


def _with_last(request: ChatRequest, words: str) -> ChatRequest | None:
    """The words below the last message, which small models heed most; None if it is no user's."""
    messages, plain = _turns(request)
    last = messages[-1]
    if last.role != "user":
        return None
    if isinstance(last.content, list):
        content: str | list[Part] = [*last.content, Part(type="text", text=words)]
        wire: Any = [*plain[-1]["content"], {"type": "text", "text": words}]
    else:
        content = wire = f"{last.content}\n\n{words}"
    return _with_turns(
        request,
        [*messages[:-1], msgspec.structs.replace(last, content=content)],
        [*plain[:-1], {**plain[-1], "content": wire}],
    )


def _with_system(request: ChatRequest, words: str) -> ChatRequest:
    """The words as a part of the first system message, which is made where there is none."""
    messages, plain = _turns(request)
    first = messages[0]
    if first.role not in ("system", "developer"):
        return _with_turns(
            request,
            [Message(role="system", content=words), *messages],
            [{"role": "system", "content": words}, *plain],
        )
    if isinstance(first.content, list):
        content: str | list[Part] = [*first.content, Part(type="text", text=words)]
        wire: Any = [*plain[0]["content"], {"type": "text", "text": words}]
    else:
        content = wire = f"{first.content}\n\n{words}" if first.content else words
    return _with_turns(
        request,
        [msgspec.structs.replace(first, content=content), *messages[1:]],
        [{**plain[0], "content": wire}, *plain[1:]],
    )


def corrected(request: ChatRequest, answer: str, violations: Sequence[str]) -> ChatRequest:
    """The request followed by the answer that was given and by what is wrong with it."""
    listed = "\n".join(f"- {one}" for one in violations)
    words = (
        f"This does not conform to the form that was asked for:\n{listed}\n"
        "Give the whole answer again with these faults corrected, as JSON and nothing else."
    )
    shown = answer if len(answer) <= _MAX_SHOWN else f"{answer[:_MAX_SHOWN]}…"
    messages, plain = _turns(request)
    return _with_turns(
        request,
        [
            *messages,
            Message(role="assistant", content=shown or "{}"),
            Message(role="user", content=words),
        ],
        [
            *plain,
            {"role": "assistant", "content": shown or "{}"},
            {"role": "user", "content": words},
        ],
    )


def _turns(request: ChatRequest) -> tuple[list[Message], list[Json]]:
    """The messages, and each as it was received."""
    if request.body.messages is None:
        return request.messages, [{"role": "user", "content": request.body.prompt}]
    return request.messages, _objects(request.raw["messages"])


def _with_turns(request: ChatRequest, messages: list[Message], plain: list[Json]) -> ChatRequest:
    body = msgspec.structs.replace(request.body, messages=messages, prompt=None)
    raw = {name: value for name, value in request.raw.items() if name != "prompt"}
    raw["messages"] = Raw(_encode(plain))
    return request.replace(body=body, raw=raw, messages=messages)


# --- answers -------------------------------------------------------------------------------------


def unwrapped(answer: ChatResponse, tool: str) -> ChatResponse:
    """The answer with the arguments of our function as content, and no call of it to be seen."""
    for choice in answer.choices:
        message = choice["message"]
        for call in message.get("tool_calls") or ():
            function = call.get("function")
            if isinstance(function, dict) and function.get("name") == tool:
                message["content"] = function.get("arguments") or ""
                break
        else:
            continue
        del message["tool_calls"]
        if choice.get("finish_reason") == "tool_calls":
            choice["finish_reason"] = "stop"
    return answer
