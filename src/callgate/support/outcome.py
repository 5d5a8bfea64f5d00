"""What a response says, taken from its bytes, so that two can be held against each other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec
from msgspec import Struct

_DATA = b"data:"
_SHOWN = 400

Json = dict[str, Any]


class Difference(NamedTuple):
    """One thing in which two outcomes differ, in words."""

    name: str
    before: str
    after: str


class Outcome(Struct, kw_only=True):
    """What came of a request. `calls` are the tool calls as `name(arguments)`.

    `whole` says that a stream came to its end; it is true of every answer that is no stream.
    """

    status: int
    model: str | None = None
    text: str = ""
    reasoning: str = ""
    calls: list[str] = []
    finish: list[str] = []
    tokens: Json | None = None
    error: str | None = None
    message: str | None = None
    whole: bool = True

    @classmethod
    def of(cls, status: int, body: bytes) -> Outcome:
        """The outcome that a chat completion's response amounts to; a stream is told by its look.

        What cannot be read leaves its fields empty.
        """
        draft = _Draft(status)
        if body.lstrip().startswith(_DATA):
            draft.outcome.whole = False
            for line in body.split(b"\n"):
                if line.startswith(_DATA):
                    draft.event(line[len(_DATA) :].strip())
        else:
            draft.take(_object(body), "message")
        return draft.done()


def differences(before: Outcome, after: Outcome) -> list[Difference]:
    """In what two outcomes differ."""
    return [
        Difference(name, _told(old), _told(new))
        for name in Outcome.__struct_fields__
        if (old := getattr(before, name)) != (new := getattr(after, name))
    ]


class _Draft:
    """An outcome in the making."""

    def __init__(self, status: int) -> None:
        self.outcome = Outcome(status=status)
        self._calls: dict[tuple[int, int], list[str]] = {}

    def event(self, data: bytes) -> None:
        if data == b"[DONE]":
            self.outcome.whole = True
        else:
            self.take(_object(data), "delta")

    def take(self, body: Json, inner: str) -> None:
        outcome = self.outcome
        error = body.get("error")
        if isinstance(error, dict):
            outcome.error, outcome.message = error.get("type"), error.get("message")
        outcome.model = body.get("model") or outcome.model
        usage = body.get("usage")
        if isinstance(usage, dict):
            names = ("input_tokens", "output_tokens", "total_tokens")
            outcome.tokens = {name: usage.get(name) for name in names}
        for choice in _objects(body.get("choices")):
            index = _number(choice.get("index"), 0)
            said = choice.get(inner)
            if isinstance(said, dict):
                outcome.text += _text(said.get("content"))
                outcome.reasoning += _text(said.get("reasoning_content") or said.get("reasoning"))
                for at, call in enumerate(_objects(said.get("tool_calls"))):
                    self._call((index, _number(call.get("index"), at)), call)
            if choice.get("finish_reason"):
                outcome.finish.append(choice["finish_reason"])

    def done(self) -> Outcome:
        self.outcome.calls = [f"{name}({arguments})" for name, arguments in self._calls.values()]
        return self.outcome

    def _call(self, place: tuple[int, int], call: Json) -> None:
        function = call.get("function")
        if isinstance(function, dict):
            parts = self._calls.setdefault(place, ["", ""])
            parts[0] += _text(function.get("name"))
            parts[1] += _text(function.get("arguments"))


def _number(value: Any, otherwise: int) -> int:
    return value if type(value) is int else otherwise


def _objects(value: Any) -> Iterator[Json]:
    if isinstance(value, list):
        yield from (one for one in value if isinstance(one, dict))


def _object(data: bytes) -> Json:
    try:
        value = msgspec.json.decode(data)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _told(value: Any) -> str:
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
