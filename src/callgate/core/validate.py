"""From the bytes of a body to a `ChatRequest`, or to an error that lists every wrong field."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

import msgspec
from msgspec import Raw

from callgate.core import body as json_body
from callgate.core.callitems import without_items
from callgate.core.chat import (
    DEFAULT_MAX_TOKENS,
    OWN_FIELDS,
    PROMPT_FIELDS,
    ROOM,
    ChatBody,
    FallbackConfig,
    Message,
)
from callgate.core.fault import Fault
from callgate.core.fieldpath import covers, join, prune, root, value_at
from callgate.core.models import Model
from callgate.core.request import ChatRequest
from callgate.core.rules import examine, is_plain, open_fields
from callgate.core.shape import inspect
from callgate.errors import GatewayError

MAX_TOLD = 50
MAX_STRANGE = 100

_decode_raw: Final = msgspec.json.Decoder(dict[str, Raw]).decode
_decode_body: Final = msgspec.json.Decoder(ChatBody).decode
_GENERIC = msgspec.json.Decoder()
_NULL = Raw(b"null")
_ASKED: Final = PROMPT_FIELDS

_ORDER: Mapping[str, int] = MappingProxyType(
    {name: place for place, name in enumerate(ChatBody.__struct_fields__)}
)
_ALWAYS = PROMPT_FIELDS | OWN_FIELDS | {
    "model", "max_tokens", "max_completion_tokens", "stream", "stream_options", "user", "metadata",
    "response_format",
}  # fmt: skip
_CONFIG_FIELDS = ", ".join(sorted(FallbackConfig.__struct_fields__))
_MODALITIES: Mapping[str, str] = MappingProxyType(
    {"image_url": "image", "input_audio": "audio", "file": "file"}
)
_FORMS: Mapping[str, str] = MappingProxyType(
    {
        "tools[].function": "Put a function's `name`, `description` and `parameters` into "
        "`function`, which is where Chat Completions has them.",
        "tool_choice.function": "Name the tool as in "
        '`{"type": "function", "function": {"name": "…"}}`.',
        "response_format.json_schema": "Put the schema into `json_schema`, as in "
        '`{"type": "json_schema", "json_schema": {"name": "…", "schema": {…}}}`.',
        "response_format.json_schema.name": "Give a name beside the schema, as in "
        '`{"type": "json_schema", "json_schema": {"name": "…", "schema": {…}}}`.',
    }
)
"""What to do about absent fields that other APIs do not have: Anthropic's, OpenAI's Responses."""
_PLACE = re.compile(r"\[\d+\]")


def parse_chat(body: bytes) -> ChatRequest:
    """Decode and check the body of a chat completion.

    Raises GatewayError `invalid_json`, `missing_field` or `invalid_field`; `param` is the path of
    the first field at fault, `errors` lists all.
    """
    try:
        raw = _decode_raw(body)
    except json_body.MALFORMED as error:
        raise json_body.not_json(body, error) from None
    unknown: tuple[str, ...] = ()
    try:
        chat = _decode_body(body)
        plain = is_plain(chat, raw)
        if not plain:
            for name in open_fields(chat, raw):
                _check_depth(bytes(raw[name]), json_body.MAX_DEPTH - 1)
    except msgspec.ValidationError:
        _check_depth(body)
        turned = without_items(body)
        if turned is not None:
            try:
                return parse_chat(turned.body).replace(turned=turned)
            except GatewayError as error:
                raise turned.renamed(error) from None
        chat, unknown = _repair(body, raw)
        plain = is_plain(chat, raw)
    except json_body.MALFORMED as error:
        _check_depth(body)
        raise json_body.not_json(body, error) from None
    if not plain:
        found = examine(chat, raw)
        if found.faults:
            raise _refusal(found.faults, complete=found.complete)
        if found.unknown:
            unknown = _with_types(unknown, found.unknown)
    if unknown:
        _check_own(unknown)
    messages = chat.messages or [Message(role="user", content=chat.prompt)]
    return ChatRequest(chat, raw, messages, unknown)


def prompt_bytes(request: ChatRequest) -> Raw:
    """The bytes of `messages`, or of `prompt`, as received."""
    return request.raw["messages" if request.body.prompt is None else "prompt"]


def parameters(request: ChatRequest) -> dict[str, Raw]:
    """Every top-level field as received, except those that hold the prompt."""
    fields = dict(request.raw)
    for name in _ASKED:
        fields.pop(name, None)
    return fields


def output_limit(request: ChatRequest, most: int, thoughts: int = 0) -> int:
    """The most tokens the answer may have: 1000 if the caller does not say.

    `most` is the model's own maximum, 0 if unknown; the default stays within it. `thoughts` is how
    many tokens the requested thinking may take: providers include it, so the default leaves room.
    """
    body = request.body
    room = DEFAULT_MAX_TOKENS + thoughts
    return body.max_completion_tokens or body.max_tokens or min(room, most or room)


def thoughts_of(body: ChatBody) -> int:
    """How many tokens the requested thinking may take; 0 if none is requested."""
    if body.reasoning_effort is not None:
        return ROOM.get(body.reasoning_effort, 0)
    given = body.thinking or body.reasoning
    if not given or given.get("type") == "disabled" or given.get("enabled") is False:
        return 0
    budget, effort = given.get("budget_tokens", given.get("max_tokens")), given.get("effort")
    if type(budget) is int and budget > 0:
        return budget
    return ROOM.get(effort, 0) if isinstance(effort, str) else ROOM["medium"]


def check_model(request: ChatRequest, model: Model) -> None:
    """Check that the model can honour the request.

    Raises GatewayError `invalid_field` for more tokens than it can produce, `unsupported_field` for
    a parameter or a kind of input that it does not support; `errors` lists all of both.
    """
    body, most, supported = request.body, model.max_output_tokens, model.supported_parameters
    faults: list[Fault] = []
    for name, wanted in (
        ("max_tokens", body.max_tokens),
        ("max_completion_tokens", body.max_completion_tokens),
    ):
        if wanted is not None and (wanted < 1 or 0 < most < wanted):
            faults.append(_beyond(name, wanted, model))
    beyond = bool(faults)
    if supported:
        faults += _unsupported_parameters(request, model)
    if model.input_modalities:
        faults += _unsupported_parts(request, model)
    if faults:
        error = GatewayError(
            "invalid_field" if beyond else "unsupported_field",
            f"Invalid request: {faults[0]}",
            param=faults[0].path,
            errors=_told(faults),
        )
        raise error if request.turned is None else request.turned.renamed(error)


def _beyond(name: str, wanted: int, model: Model) -> Fault:
    most = model.max_output_tokens
    allowed = f"between 1 and {most}" if most else "at least 1"
    return Fault(name, f"must be {allowed} for the model '{model.name}', got {wanted}")


def _unsupported_parameters(request: ChatRequest, model: Model) -> list[Fault]:
    supported, body = model.supported_parameters, request.body
    return [
        Fault(name, f"not supported by the model '{model.name}'")
        for name in request.raw
        if name not in _ALWAYS
        and name not in supported
        and name in _ORDER
        and getattr(body, name) is not None
        and not (name == "n" and body.n == 1)
    ]


def _unsupported_parts(request: ChatRequest, model: Model) -> list[Fault]:
    faults: list[Fault] = []
    for index, message in enumerate(request.messages):
        if message.content.__class__ is list:
            for number, part in enumerate(message.content):
                modality = _MODALITIES.get(part.type)
                if modality is not None and modality not in model.input_modalities:
                    words = f"the model '{model.name}' does not accept {modality} input"
                    faults.append(Fault(f"messages[{index}].content[{number}]", words))
    return faults


def _check_depth(body: bytes, most: int = json_body.MAX_DEPTH) -> None:
    if json_body.too_deep(body, most):
        raise json_body.nested_too_deep()


def _repair(body: bytes, raw: Mapping[str, Raw]) -> tuple[ChatBody, tuple[str, ...]]:
    """Decode without the unknown fields, whose paths are returned too; raises all mistakes."""
    strange = [name for name in raw if name not in _ORDER]
    if 0 < len(strange) <= MAX_STRANGE:
        try:
            for name in strange:
                _GENERIC.decode(raw[name])
            known = {name: value for name, value in raw.items() if name in _ORDER}
            chat = _decode_body(msgspec.json.encode(known))
        except json_body.MALFORMED:
            pass
        else:
            return chat, tuple(join("", name) for name in strange if raw[name] != _NULL)
    return _repair_all(body)


def _repair_all(body: bytes) -> tuple[ChatBody, tuple[str, ...]]:
    value, faults = json_body.decode(body)
    report = inspect(value, ChatBody)
    seen = {fault.path for fault in faults}
    faults += [fault for fault in report.faults if fault.path not in seen]
    known = prune(value, report.unknown)
    if faults:
        raise _refusal(faults + _further(known, faults), complete=report.complete)
    try:
        chat = msgspec.convert(known, ChatBody)
    except msgspec.ValidationError as error:  # `inspect` has missed something
        raise _refusal([Fault("", str(error))]) from None
    return chat, tuple(path for path in report.unknown if value_at(value, path) is not None)


def _further(value: dict[str, object], faults: Sequence[Fault]) -> list[Fault]:
    """What the rules find in the rest of a body that has faulty fields or messages."""
    paths = [fault.path for fault in faults]
    if len(paths) > MAX_TOLD:
        return []
    doubtful = frozenset(map(root, paths))
    sound = {name: field for name, field in value.items() if name not in doubtful}
    messages = value.get("messages")
    if "messages" in doubtful and isinstance(messages, list) and "messages" not in paths:
        sound["messages"] = [_sound(one) for one in prune(messages, _within(paths))]
    try:
        chat = msgspec.convert({"model": "?", **sound}, ChatBody)
    except msgspec.ValidationError:
        return []
    return [
        fault
        for fault in examine(chat, value, doubtful).faults
        if not any(covers(path, fault.path) or covers(fault.path, path) for path in paths)
    ]


def _within(paths: Iterable[str]) -> list[str]:
    """Those of the paths that lead into messages, relative to these."""
    return [path.removeprefix("messages") for path in paths if path.startswith("messages[")]


def _sound(message: object) -> Message:
    """A message without its faulty fields, or a harmless one in its place."""
    try:
        return msgspec.convert(message, Message)
    except msgspec.ValidationError:
        return Message(role="user", content="?")


def _check_own(unknown: Sequence[str]) -> None:
    """Refuse an unknown field of an object that only Callgate reads."""
    faults = [
        Fault(path, f"unknown field; there are {_CONFIG_FIELDS}")
        for path in unknown
        if path.startswith("fallback_config.")
    ]
    if faults:
        raise _refusal(faults)


def _with_types(unknown: tuple[str, ...], types: Sequence[str]) -> tuple[str, ...]:
    """Unknown fields and types, without the fields of objects whose type is unknown."""
    within = tuple(path.removesuffix("type") for path in types)
    return (*(path for path in unknown if not path.startswith(within)), *types)


def _refusal(faults: Sequence[Fault], *, complete: bool = True) -> GatewayError:
    ordered = sorted(faults, key=lambda fault: _ORDER.get(root(fault.path), len(_ORDER)))
    first = ordered[0]
    return GatewayError(
        "missing_field" if first.missing else "invalid_field",
        f"Invalid request: {first}",
        param=first.path or None,
        errors=_told(ordered, complete=complete),
        fix=_FORMS.get(_PLACE.sub("[]", first.path)) if first.missing else None,
    )


def _told(faults: Sequence[Fault], *, complete: bool = True) -> list[str]:
    told = [str(fault) for fault in faults[:MAX_TOLD]]
    if len(faults) > MAX_TOLD:
        told.append(f"… and {'' if complete else 'at least '}{len(faults) - MAX_TOLD} more")
    return told
