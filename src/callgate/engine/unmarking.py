"""Fallbacks whose providers have no `cache_control`: they are asked without it.

The mark is made for the model asked for, and changes what an answer costs, not what it says. A
fallback must not fail for it.
"""

from __future__ import annotations

from typing import Any

import msgspec

from callgate.core.chat import Json
from callgate.core.models import Model
from callgate.core.request import ChatRequest
from callgate.core.target import Target
from callgate.core.validate import parse_chat
from callgate.providers.cachemarks import takes_marks

UNMARKED = "fallback {!r} was asked without `cache_control`, which its provider does not have"
_FIELD = "cache_control"
_encode = msgspec.json.Encoder().encode


def unmarked(request: ChatRequest, entry: Json, model: Model) -> ChatRequest:
    """The request as the fallback `model` can be asked: the same one where it takes the marks.

    What the `entry` of the fallback says itself stays as it is.
    """
    marked = [name for name, found in _marked(request).items() if found and name not in entry]
    whole = request.body.cache_control is not None and _FIELD not in entry
    if not (marked or whole) or all(takes_marks(Target(model, one)) for one in model.deployments):
        return request
    fields: dict[str, Any] = dict(request.raw)
    if whole:
        del fields[_FIELD]
    for name in marked:
        fields[name] = [_bare(item) for item in msgspec.json.decode(fields[name])]
    return parse_chat(_encode(fields)).replace(turned=request.turned)


def _marked(request: ChatRequest) -> dict[str, bool]:
    messages, tools = request.body.messages or (), request.body.tools or ()
    return {
        "messages": any(
            message.cache_control is not None
            or (
                isinstance(message.content, list)
                and any(part.cache_control is not None for part in message.content)
            )
            for message in messages
        ),
        "tools": any(tool.cache_control is not None for tool in tools),
    }


def _bare(item: Json) -> Json:
    """A message or tool without the mark on it and, of a message, those on its parts."""
    bare = {name: value for name, value in item.items() if name != _FIELD}
    parts = bare.get("content")
    if isinstance(parts, list):
        bare["content"] = [_bare(part) if isinstance(part, dict) else part for part in parts]
    return bare
