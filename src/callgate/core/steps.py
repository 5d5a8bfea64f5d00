"""What `post_processing_steps` may do to a finished answer: a table of steps, each one function.

The field and its first step, `json-repair`, are AssemblyAI's
(https://www.assemblyai.com/docs/llm-gateway/post-processing). A step sees one text at a time: the
content of a message, or the arguments of one tool call.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Literal, NamedTuple

import msgspec

from callgate.core.chat import ChatBody, Json
from callgate.core.fault import Findings
from callgate.core.record import Mending
from callgate.core.repair.repair import Repaired, repair
from callgate.core.response import ChatResponse
from callgate.errors import GatewayError

_FENCE = "```"
_LANGUAGE = re.compile(r"[\w+.#-]*")
_SHOWN = 64
_NO_ANSWER = ("content_filter",)


class Text(NamedTuple):
    """One text of an answer: where it stands, what it is, and whether it is all that was said."""

    holder: Json
    field: str
    path: str
    kind: Literal["content", "arguments"]
    alone: bool

    @property
    def value(self) -> str:
        """The text as it is now."""
        value = self.holder[self.field]
        return value if isinstance(value, str) else ""


Step = Callable[[Text], Repaired]
"""Gives the text as it shall be. Raises GatewayError where the answer must not be given so."""


def json_repair(text: Text) -> Repaired:
    """Broken JSON repaired. What is no JSON is refused, but for words beside a tool call."""
    value = text.value
    if text.kind == "arguments" and not value.strip():
        return Repaired("{}", changed=True, notes=("no arguments",))
    if text.kind == "content" and not text.alone and not _begins_as_json(value):
        return Repaired(value, changed=False)
    repaired = repair(value, text.path)
    if text.kind == "arguments" and repaired.text.lstrip().startswith('"'):
        return _unquoted(repaired, text.path)
    return repaired


def _unquoted(repaired: Repaired, path: str) -> Repaired:
    """Arguments that are an object inside a string, as models write that escape it twice."""
    try:
        inner = msgspec.json.decode(repaired.text, type=str)
    except msgspec.DecodeError:  # half of a pair of surrogates stands for no text
        return repaired
    if not inner.lstrip().startswith("{"):
        return repaired
    again = repair(inner, path)
    notes = (*repaired.notes, "escaping removed", *again.notes)
    return Repaired(again.text, changed=True, notes=tuple(dict.fromkeys(notes)))


def strip_code_fence(text: Text) -> Repaired:
    """What one Markdown fence (https://spec.commonmark.org/0.31.2/#fenced-code-blocks) encloses."""
    value = text.value
    inside = _fenced(value.strip())
    if inside is None:
        return Repaired(value, changed=False)
    return Repaired(inside, changed=True, notes=("fence removed",))


def _fenced(text: str) -> str | None:
    # By hand: an expression that looks for the end of this tries each run of blanks over and over.
    opening, line_break, rest = text.partition("\n")
    if not (line_break and opening.startswith(_FENCE) and rest.endswith(_FENCE)):
        return None
    if not _LANGUAGE.fullmatch(opening[len(_FENCE) :].removesuffix("\r").strip(" \t")):
        return None
    inside = rest[: -len(_FENCE)].rstrip(" \t").removesuffix("\n").removesuffix("\r")
    return None if _FENCE in inside else inside


STEPS: Mapping[str, Step] = MappingProxyType(
    {"json-repair": json_repair, "strip-code-fence": strip_code_fence}
)
"""By the `type` that asks for it."""


class RefusedError(Exception):
    """A step refused the answer: `error` is for the caller, `text` what the model had said."""

    def __init__(self, error: GatewayError, text: str) -> None:
        super().__init__(error.message)
        self.error = error
        self.text = text


def take(steps: Iterable[Json], answer: ChatResponse) -> list[Mending]:
    """Take the steps in order over every text of the answer, which changes; what was changed.

    Raises RefusedError.
    """
    mendings: list[Mending] = []
    for given in steps:
        step = STEPS[given["type"]]
        for text in texts(answer):
            before = text.value
            try:
                after = step(text)
            except GatewayError as error:
                raise RefusedError(error, before) from None
            if after.changed:
                text.holder[text.field] = after.text
                mendings.append(
                    Mending(
                        step=given["type"],
                        where=text.path,
                        what=list(after.notes),
                        bytes_before=len(before.encode()),
                        bytes_after=len(after.text.encode()),
                    )
                )
    return mendings


def texts(answer: ChatResponse) -> Iterator[Text]:
    """The contents and the arguments of an answer. Refusals and answers cut by a filter have none.

    Calls of custom tools are left alone: their input is no JSON.
    """
    for choice in answer.choices:
        message = choice.get("message")
        if not isinstance(message, dict):
            continue
        path = f"choices[{choice.get('index', 0)}].message"
        functions = list(_functions(message, path))
        if isinstance(message.get("content"), str):
            filtered = choice.get("finish_reason") in _NO_ANSWER or bool(message.get("refusal"))
            if message["content"] or not (functions or filtered):
                alone = not functions and not filtered
                yield Text(message, "content", f"{path}.content", "content", alone)
        for function, where in functions:
            yield Text(function, "arguments", f"{where}.arguments", "arguments", alone=True)


def _functions(message: Json, path: str) -> Iterator[tuple[Json, str]]:
    calls = message.get("tool_calls")
    for number, call in enumerate(calls if isinstance(calls, list) else ()):
        function = call.get("function") if isinstance(call, dict) else None
        if isinstance(function, dict):
            function.setdefault("arguments", "")
            yield function, f"{path}.tool_calls[{number}].function"
    if isinstance(message.get("function_call"), dict):
        message["function_call"].setdefault("arguments", "")
        yield message["function_call"], f"{path}.function_call"


def size(answer: ChatResponse) -> int:
    """How many characters the texts of an answer have together."""
    return sum(len(text.value) for text in texts(answer))


def _begins_as_json(text: str) -> bool:
    return text.lstrip().startswith(("{", "[", "```"))


def check_steps(body: ChatBody, found: Findings) -> None:
    """Whether each step asked for is one that there is, and says nothing else."""
    given: Sequence[Json] = body.post_processing_steps or ()
    for at, step in enumerate(given):
        path = f"post_processing_steps[{at}]"
        name = step.get("type")
        if name is None:
            found.absent(f"{path}.type")
        elif not isinstance(name, str):
            found.fault(f"{path}.type", "expected a string")
        elif name not in STEPS:
            known = ", ".join(STEPS)
            found.fault(f"{path}.type", f"unknown step {name[:_SHOWN]!r}; known steps: {known}")
        for field in step:
            if field != "type":
                found.fault(f"{path}.{field[:_SHOWN]}", "is not a field of a step")
