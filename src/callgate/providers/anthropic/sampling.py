"""How tokens are drawn: OpenAI's parameters within what each Claude takes.

https://docs.anthropic.com/en/api/messages#body-temperature
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from callgate.core.chat import ChatBody
from callgate.core.fault import Findings
from callgate.providers.anthropic.models import Family

_DEFAULTS: Mapping[str, float] = MappingProxyType({"temperature": 1, "top_p": 1})
_MIN_TOP_P = 0.95


def sampling_of(
    body: ChatBody, family: Family, found: Findings, *, thinks: bool
) -> dict[str, float]:
    """The fields to send. A value that is the default already is left out where the model takes no
    other; a value out of range is a fault, never clamped.
    """
    given: dict[str, float] = {
        name: value
        for name, value in (
            ("temperature", body.temperature), ("top_p", body.top_p), ("top_k", body.top_k),
        )
        if value is not None
    }  # fmt: skip
    if given.get("temperature", 0) > 1:
        found.fault("temperature", f"must be between 0 and 1, got {given['temperature']:g}")
    elif family.sampling == "none":
        for name, value in given.items():
            if value != _DEFAULTS.get(name):
                found.fault(name, "not supported by this model")
        return {}
    elif thinks and family.sampling != "unruled":
        _beside_thoughts(given, found)
    if family.sampling == "one" and _DEFAULTS.keys() <= given.keys():
        _one(given, found)
    return given


def _beside_thoughts(given: dict[str, float], found: Findings) -> None:
    """https://docs.anthropic.com/en/docs/build-with-claude/extended-thinking#feature-compatibility."""
    if given.get("temperature", 1) != 1:
        words = f"must be 1 while the model thinks, got {given['temperature']:g}"
        found.fault("temperature", words)
    if given.get("top_p", 1) < _MIN_TOP_P:
        words = f"must be {_MIN_TOP_P} to 1 while the model thinks, got {given['top_p']:g}"
        found.fault("top_p", words)
    if "top_k" in given:
        found.fault("top_k", "not supported while the model thinks")


def _one(given: dict[str, float], found: Findings) -> None:
    """Leave out the one of temperature and `top_p` that changes nothing."""
    for name in ("top_p", "temperature"):
        if given[name] == _DEFAULTS[name]:
            del given[name]
            return
    found.fault("top_p", "this model accepts temperature or top_p, not both")
