"""The candidates of a call: the models that may answer it, in order, each with its own request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from callgate.core.chat import Json
from callgate.core.fieldpath import root
from callgate.core.models import Model
from callgate.core.request import ChatRequest
from callgate.core.validate import parse_chat
from callgate.errors import GatewayError

_FIXED = ("stream", "fallbacks", "fallback_config")
_NOT_THE_MODELS = ("", "response_format")
"""Fields for which another model is no remedy: only the caller can correct a schema."""
_encode = msgspec.json.Encoder().encode


class Candidate:
    """A model that may answer. `param` is the field that names it; `note`, recorded once the model
    is asked, says how its request differs from the caller's.
    """

    __slots__ = ("model", "note", "param", "request")

    def __init__(self, model: Model, request: ChatRequest, param: str, note: str = "") -> None:
        self.model = model
        self.request = request
        self.param = param
        self.note = note


def entries(request: ChatRequest, model: Model) -> list[Json]:
    """The fallbacks of a request, or else the model's own, up to the depth that it asks for."""
    body = request.body
    if body.fallbacks is None:
        given: list[Json] = [{"model": name} for name in model.fallbacks]
    else:
        given = body.fallbacks
    depth = body.fallback_config.depth if body.fallback_config is not None else None
    return given if depth is None else given[:depth]


def overridden(request: ChatRequest, entry: Json, at: int) -> ChatRequest:
    """The original request with the overrides of the fallback at position `at`.

    Raises GatewayError with the path of what is wrong, such as `fallbacks[1].temperature`.
    """
    if len(entry) == 1:  # only the model differs: everything else has been checked
        model = entry["model"]
        raw = {name: value for name, value in request.raw.items() if name != "fallbacks"}
        raw["model"] = msgspec.Raw(_encode(model))
        body = msgspec.structs.replace(request.body, model=model, fallbacks=None)
        return request.replace(body=body, raw=raw)
    for name in _FIXED:
        if name in entry:
            raise GatewayError(
                "invalid_field",
                f"Invalid request: fallbacks[{at}].{name} cannot be overridden",
                param=f"fallbacks[{at}].{name}",
            )
    fields: Mapping[str, Any] = {
        **{name: value for name, value in request.raw.items() if name != "fallbacks"},
        **entry,
    }
    if "prompt" in entry or "messages" in entry:
        replaced = "messages" if "prompt" in entry else "prompt"
        fields = {name: value for name, value in fields.items() if name != replaced}
    try:
        changed = parse_chat(_encode(fields))
    except GatewayError as error:
        raise at_fallback(error, at) from None
    if request.turned is None or "prompt" in entry or "messages" in entry:
        return changed
    return changed.replace(turned=request.turned)


def at_fallback(error: GatewayError, at: int) -> GatewayError:
    """The error with a message and path that point to the fallback at position `at`."""
    where = f"fallbacks[{at}]"
    param = f"{where}.{error.param}" if error.param else where
    fix, field = error.fix, root(error.param or "")
    if error.kind.type == "unsupported_field" and field not in _NOT_THE_MODELS:
        # Usually the field is in the request itself rather than in the fallback's entry.
        own = (
            f"Set `{field}` to null in" if field == error.param else f"Give `{field}` of its own to"
        )
        fix = f"{own} `{where}`, or name a fallback that supports it."
    return GatewayError(
        error.kind.type,
        f"{where}: {error.message}",
        param=param,
        errors=[f"{where}: {one}" for one in error.errors],
        cause=error.cause,
        fix=fix,
    )
