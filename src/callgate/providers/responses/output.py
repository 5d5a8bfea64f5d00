"""The output items of an answer as pieces of OpenAI's message, whole or as they arrive.

https://developers.openai.com/api/reference/resources/responses (`output`); a whole answer is read
as one whose items come in one piece each, so that both say the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from callgate.core.chat import Json
from callgate.providers.responses.reasoning import message_detail, thought_detail
from callgate.providers.strict import Malformed, inner, listed, string

BETWEEN = "\n\n"
"""What parts one message, or one piece of a summary, from the next."""

MAX_ITEMS = 10_000
MAX_CALLS = 512

FINISH_REASONS: Mapping[str, str] = MappingProxyType(
    {"max_output_tokens": "length", "content_filter": "content_filter"}
)
"""Why an answer is incomplete, in the words of Chat Completions."""


class Item:
    """An item that has begun."""

    __slots__ = ("call", "called", "kind", "number", "said", "start")

    def __init__(self, kind: str, number: int, start: int, called: int) -> None:
        self.kind = kind
        self.number = number
        self.start = start  # where its text begins in the content
        self.called = called  # how many calls came before it
        self.call = 0
        self.said = False


class Output:
    """One answer. Each method gives the piece (`delta`) that it makes, empty where it makes none.

    All raise Malformed for what has not the shape of its kind. `calls` counts those that began.
    """

    __slots__ = ("_items", "_length", "_part", "_provider", "calls")

    def __init__(self, provider: str) -> None:
        self._provider = provider
        self._items = self._length = 0
        self._part: object = None  # of the thoughts: what was told last
        self.calls = 0

    def begin(self, item: Json) -> tuple[Item, Json]:
        """The item that begins, and its piece."""
        self._items += 1
        if self._items > MAX_ITEMS:
            raise Malformed("more items than can be")
        begun = Item(string(item.get("type")), self._items, self._length, self.calls)
        if begun.kind != "function_call":
            return begun, {}
        if self.calls >= MAX_CALLS:
            raise Malformed("more tool calls than can be")
        begun.call, self.calls = self.calls, self.calls + 1
        arguments = string(item.get("arguments") or "")
        begun.said = bool(arguments)
        call = {
            "index": begun.call,
            "id": string(item.get("call_id")),
            "type": "function",
            "function": {"name": string(item.get("name")), "arguments": arguments},
        }
        return begun, {"tool_calls": [call]}

    def say(self, item: Item, text: str) -> Json:
        """Text of a message."""
        if not text:
            return {}
        if not item.said:
            item.said = True
            if self._length:
                text = BETWEEN + text
                item.start = self._length + len(BETWEEN)
            else:
                item.start = 0
        self._length += len(text)
        return {"content": text}

    def refuse(self, item: Item, text: str) -> Json:
        """Words by which the model refuses to answer."""
        item.said = item.said or bool(text)
        return {"refusal": text} if text else {}

    def think(self, item: Item, part: object, text: str) -> Json:
        """A thought, or of its summary; `part` says which piece of it."""
        if not text:
            return {}
        before, self._part = self._part, (item.number, part)
        item.said = True
        return {"reasoning_content": text if before in (None, self._part) else BETWEEN + text}

    def argue(self, item: Item, text: str) -> Json:
        """Arguments of a call."""
        if not text:
            return {}
        item.said = True
        return {"tool_calls": [{"index": item.call, "function": {"arguments": text}}]}

    def end(self, item: Item, whole: Json) -> Json:
        """What the whole item says that has not been said, and what has to be sent back of it."""
        reader = _READERS.get(item.kind)
        return {} if reader is None else reader(self, item, whole)

    def _end_message(self, item: Item, whole: Json) -> Json:
        delta: Json = {}
        said = item.said
        notes = []
        for part in listed(whole.get("content")):
            if inner(part).get("type") == "refusal":
                piece = {} if said else self.refuse(item, string(part.get("refusal")))
            else:
                given = listed(part.get("annotations"))
                piece = {} if said else self.say(item, string(part.get("text", "")))
                notes += [note for one in given if (note := _annotation(inner(one), item.start))]
            _add(delta, piece)
        detail = message_detail(whole.get("phase"), item.start, item.called) if item.said else None
        if notes:
            delta["annotations"] = notes
        if detail is not None:
            delta["reasoning_details"] = [detail]
        return delta

    def _end_thought(self, item: Item, whole: Json) -> Json:
        delta: Json = {}
        if not item.said:
            for name in ("summary", "content"):
                for at, part in enumerate(listed(whole.get(name))):
                    text = string(inner(part).get("text", ""))
                    _add(delta, self.think(item, (name, at), text))
        detail = thought_detail(whole, self._provider, item.start, item.called)
        if detail is not None:
            delta["reasoning_details"] = [detail]
        return delta

    def _end_call(self, item: Item, whole: Json) -> Json:
        if item.said:
            return {}
        cut = whole.get("status") == "incomplete"
        return self.argue(item, string(whole.get("arguments") or ("" if cut else "{}")))


_READERS = MappingProxyType(
    {
        "message": Output._end_message,  # noqa: SLF001 - the table stands behind its class
        "reasoning": Output._end_thought,  # noqa: SLF001
        "function_call": Output._end_call,  # noqa: SLF001
    }
)


def message_of(items: Iterable[object], provider: str) -> Json:
    """OpenAI's message of a whole answer. Raises Malformed."""
    output = Output(provider)
    message: Json = {}
    for given in items:
        whole = inner(given)
        item, delta = output.begin(whole)
        _add(message, delta)
        _add(message, output.end(item, whole))
    for call in message.get("tool_calls", ()):
        del call["index"]
    mute = "tool_calls" in message or "refusal" in message
    content = message.pop("content", None if mute else "")
    return {"role": "assistant", "content": content, **message}


def finish_of(answer: Json, *, called: bool) -> tuple[str, str]:
    """OpenAI's finish reason and the Responses API's own word. Raises Malformed where the answer
    has not come to its end.
    """
    status = answer.get("status")
    if status == "completed":
        return "tool_calls" if called else "stop", "completed"
    if status != "incomplete":
        raise Malformed("an answer that is not complete")
    details = answer.get("incomplete_details")
    reason = details.get("reason") if isinstance(details, dict) else None
    native = reason[:100] if isinstance(reason, str) and reason else "incomplete"
    return FINISH_REASONS.get(native, "length"), native


def extra_of(answer: Json) -> Json:
    """The further fields: the tier that is billed, and which thoughts of earlier turns were left
    out.
    """
    return {
        name: answer[name]
        for name in ("service_tier", "input_transformations")
        if answer.get(name) not in (None, [])
    }


def _add(whole: Json, delta: Json) -> None:
    """Put a piece to what was said before."""
    for name, value in delta.items():
        if name not in whole:
            whole[name] = value
        elif name == "tool_calls" and "id" not in value[0]:
            whole[name][-1]["function"]["arguments"] += value[0]["function"]["arguments"]
        else:
            whole[name] = whole[name] + value


def _annotation(given: Json, start: int) -> Json | None:
    """A citation of the web in the form of Chat Completions, which counts from the content's
    beginning; it has no others.
    """
    if given.get("type") != "url_citation":
        return None
    cited = {name: value for name, value in given.items() if name != "type"}
    for name in ("start_index", "end_index"):
        if type(cited.get(name)) is int:
            cited[name] += start
    return {"type": "url_citation", "url_citation": cited}
