"""The blocks of a streamed answer of Converse, put together piece by piece.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ContentBlockDelta.html. Only
tools and images have a beginning of their own; text and reasoning begin with their first piece.
"""

from __future__ import annotations

from callgate.core.chat import Json
from callgate.core.jsontext import parse
from callgate.providers.bedrock.answer import SERVER_TOOL, annotation, placed, redacted
from callgate.providers.strict import Malformed, inner, listed, string

MAX_BLOCKS = 4096
MAX_HELD = 16 << 20
"""Characters of reasoning and of the provider's own tools held back until their block ends."""


class _Block:
    """One block that has begun, after so many characters of text and so many calls.

    `call` is the place of a call among the calls, -1 for no call.
    """

    __slots__ = ("arguments", "began", "call", "called", "other", "signature", "text")

    def __init__(self, began: int, called: int) -> None:
        self.began = began
        self.called = called
        self.call = -1
        self.arguments = False
        self.text: list[str] = []
        self.signature: list[str] = []
        self.other: Json | None = None


class Blocks:
    """Turns events into OpenAI's deltas; an empty one says nothing. Each raises Malformed."""

    def __init__(self) -> None:
        self._blocks: dict[int, _Block] = {}
        self._count = 0
        self._calls = 0
        self._length = 0
        self._held = 0

    def start(self, body: Json) -> Json:
        """A block that is announced."""
        index, start = _index(body), inner(body.get("start"))
        block = self._begin(index)
        if "toolUse" not in start:
            if start:
                block.other = dict(start)
            return {}
        call = inner(start["toolUse"])
        if call.get("type") == SERVER_TOOL:
            block.other = {"toolUse": dict(call)}
            return {}
        block.call, self._calls = self._calls, self._calls + 1
        function = {"name": string(call.get("name")), "arguments": ""}
        id_ = string(call.get("toolUseId"))
        piece = {"index": block.call, "id": id_, "type": "function", "function": function}
        return {"tool_calls": [piece]}

    def delta(self, body: Json) -> Json:
        """A piece of a block."""
        index, delta = _index(body), inner(body.get("delta"))
        block = self._blocks.get(index) or self._begin(index)
        if "text" in delta:
            text = string(delta["text"])
            self._length += len(text)
            return {"content": text} if text else {}
        if "toolUse" in delta:
            return self._input(block, string(inner(delta["toolUse"]).get("input", "")))
        if "reasoningContent" in delta:
            return self._think(block, inner(delta["reasoningContent"]))
        if "citation" in delta:
            note = annotation(inner(delta["citation"]), block.began, self._length)
            return {"annotations": [note]}
        if block.other is not None:
            for key, value in delta.items():
                self._hold(str(value))
                block.other.setdefault(f"{key}_deltas", []).append(value)
        return {}

    def stop(self, body: Json) -> Json:
        """The end of a block: what was held back of it."""
        block = self._blocks.pop(_index(body), None)
        if block is None:
            return {}
        if block.other is not None:
            return {"content_parts": [_whole(block)]}
        if block.call >= 0 and not block.arguments:  # no piece comes where there are none
            return _arguments(block.call, "{}")
        if block.signature:
            thought = {"type": "thinking", "thinking": "".join(block.text)}
            thought["signature"] = "".join(block.signature)
            return self._detail(thought, block)
        return {}

    def _begin(self, index: int) -> _Block:
        self._count += 1
        if self._count > MAX_BLOCKS:
            raise Malformed("too many blocks")
        block = self._blocks[index] = _Block(self._length, self._calls)
        return block

    def _input(self, block: _Block, text: str) -> Json:
        if block.other is not None:
            self._hold(text)
            block.text.append(text)
            return {}
        if block.call < 0:
            raise Malformed("arguments without a call")
        if not text:
            return {}
        block.arguments = True
        return _arguments(block.call, text)

    def _think(self, block: _Block, piece: Json) -> Json:
        if "text" in piece:
            text = string(piece["text"])
            self._hold(text)
            block.text.append(text)
            return {"reasoning_content": text} if text else {}
        if "signature" in piece:
            signature = string(piece["signature"])
            self._hold(signature)
            block.signature.append(signature)
        elif "redactedContent" in piece:
            return self._detail(redacted(string(piece["redactedContent"])), block)
        return {}

    def _detail(self, detail: Json, block: _Block) -> Json:
        return {"reasoning_details": [placed(detail, block.began, block.called)]}

    def _hold(self, text: str) -> None:
        self._held += len(text)
        if self._held > MAX_HELD:
            raise Malformed("too much reasoning")


def _arguments(call: int, text: str) -> Json:
    return {"tool_calls": [{"index": call, "function": {"arguments": text}}]}


def _whole(block: _Block) -> Json:
    """A block of the provider's own, as it stands in a whole answer."""
    other = block.other or {}
    if "toolUse" in other:
        other["toolUse"]["input"] = _value("".join(block.text))
    elif "toolResult" in other:
        pieces = other.pop("toolResult_deltas", [])
        content = [one for piece in pieces for one in listed(piece)]
        other["toolResult"] = {**inner(other["toolResult"]), "content": content}
    return other


def _value(text: str) -> object:
    try:
        return parse(text.encode("utf-8", "replace")) if text else {}
    except ValueError:
        return text


def _index(body: Json) -> int:
    index = body.get("contentBlockIndex")
    if type(index) is not int or index < 0:
        raise Malformed("a block without its index")
    return index
