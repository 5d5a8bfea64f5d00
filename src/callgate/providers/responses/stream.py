"""Streamed answers of the Responses API.

https://developers.openai.com/api/reference/resources/responses/streaming-events
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from callgate.core.chat import Chunk, Json
from callgate.core.jsontext import parse
from callgate.core.sse import Event
from callgate.core.target import Target
from callgate.errors import GatewayError
from callgate.providers.openai.answer import integer, usage_of
from callgate.providers.openai.errors import from_object
from callgate.providers.responses.output import Item, Output, extra_of, finish_of
from callgate.providers.streaming import EventStream, cut
from callgate.providers.strict import Malformed, inner, string


class StreamDecoder(EventStream):
    """Decodes one stream; see `providers.base.ChunkDecoder`."""

    def __init__(self, target: Target) -> None:
        super().__init__(target)
        self._output = Output(target.deployment.provider)
        self._open: dict[int, Item] = {}
        self._role: Json = {"role": "assistant"}
        self._id, self._created, self._model = "", 0, ""

    def _refusal(self, value: object) -> GatewayError | None:
        if isinstance(value, dict) and value.get("error"):
            return from_object(value, self._target)
        return None

    def _calling(self) -> bool:
        return any(item.kind == "function_call" for item in self._open.values())

    def _conclude(self, events: Sequence[Event]) -> Sequence[Chunk]:
        """What breaks off within an event is cut, not malformed."""
        chunks: Sequence[Chunk] = ()
        try:
            chunks = self._chunks(events)
        except GatewayError as error:
            if error.kind.type != "bad_upstream_reply":
                raise
        if not self.done:
            raise self.failure or cut()
        return chunks

    def _chunks(self, events: Sequence[Event]) -> Sequence[Chunk]:
        chunks: list[Chunk] = []
        try:
            for _, data in events:
                chunk = self._read(data)
                if chunk is not None:
                    chunks.append(chunk)
                if self.done:
                    break
        except GatewayError as error:
            if not chunks:
                raise
            self.failure = error
        return chunks

    def _read(self, data: bytes) -> Chunk | None:
        if data.strip() in (b"[DONE]", b""):
            return None
        try:
            event = inner(parse(data))
            kind = event.get("type")
            if kind == "error" or (kind is None and event.get("error")):
                raise from_object(event, self._target)
            if kind in _ENDS:
                return self._end(event)
            reader = _READERS.get(kind) if isinstance(kind, str) else None
            delta = {} if reader is None else reader(self, event)
        except Malformed as error:
            raise self._bad(f"{error} in a stream") from None
        except ValueError:
            self._skip(data)
            return None
        return self._chunk(delta) if delta else None

    def _created_at(self, event: Json) -> Json:
        answer = inner(event.get("response"))
        id_, model = answer.get("id"), answer.get("model")
        self._id = id_ if isinstance(id_, str) else ""
        self._model = model if isinstance(model, str) else ""
        self._created = integer(answer.get("created_at"))
        return {}

    def _begin(self, event: Json) -> Json:
        at = _index(event)
        if at in self._open:
            raise Malformed("an item that began before")
        self._open[at], delta = self._output.begin(inner(event.get("item")))
        return delta

    def _text(self, event: Json) -> Json:
        return self._output.say(self._item(event, "message"), string(event.get("delta")))

    def _refused(self, event: Json) -> Json:
        return self._output.refuse(self._item(event, "message"), string(event.get("delta")))

    def _summary(self, event: Json) -> Json:
        item, part = self._item(event, "reasoning"), ("summary", event.get("summary_index"))
        return self._output.think(item, part, string(event.get("delta")))

    def _thought(self, event: Json) -> Json:
        item, part = self._item(event, "reasoning"), ("content", event.get("content_index"))
        return self._output.think(item, part, string(event.get("delta")))

    def _arguments(self, event: Json) -> Json:
        return self._output.argue(self._item(event, "function_call"), string(event.get("delta")))

    def _item_end(self, event: Json) -> Json:
        whole = inner(event.get("item"))
        item = self._item(event, string(whole.get("type")))
        del self._open[_index(event)]
        return self._output.end(item, whole)

    def _end(self, event: Json) -> Chunk:
        answer = inner(event.get("response"))
        if answer.get("error") or event["type"] == "response.failed":
            raise from_object(answer.get("error") or answer, self._target)
        calls = self._output.calls
        finish, native = finish_of(answer, called=calls > 0)
        if native == "completed":
            given = answer.get("output")
            if self._calling() or (given and calls != _calls_in(given)):
                raise Malformed("tool calls that were not told whole")
        chunk = self._chunk({})
        chunk.choices[0].update(finish_reason=finish, native_finish_reason=native)
        chunk.usage = usage_of(answer.get("usage"))
        chunk.extra = extra_of(answer)
        self.done = self.finished = True
        return chunk

    def _item(self, event: Json, kind: str) -> Item:
        item = self._open.get(_index(event))
        if item is None or item.kind != kind:
            raise Malformed(f"a piece of no {kind[:100]}")
        return item

    def _chunk(self, delta: Json) -> Chunk:
        if self._role:
            mute = "tool_calls" in delta or "refusal" in delta
            delta = {**self._role, "content": None if mute else "", **delta}
            self._role = {}
        return Chunk(
            choices=[{"index": 0, "delta": delta, "finish_reason": None}],
            id=self._id,
            created=self._created,
            model=self._model,
        )


def _index(event: Json) -> int:
    index = event.get("output_index")
    if type(index) is not int:
        raise Malformed("a piece without its index")
    return index


def _calls_in(items: object) -> int:
    return sum(
        isinstance(item, dict) and item.get("type") == "function_call"
        for item in (items if isinstance(items, list) else ())
    )


_ENDS = ("response.completed", "response.incomplete", "response.failed")

# ruff: noqa: SLF001  # the table stands behind the class whose methods it names
_READERS: Mapping[str, Callable[[StreamDecoder, Json], Json]] = MappingProxyType(
    {
        "response.created": StreamDecoder._created_at,
        "response.output_item.added": StreamDecoder._begin,
        "response.output_text.delta": StreamDecoder._text,
        "response.refusal.delta": StreamDecoder._refused,
        "response.reasoning_summary_text.delta": StreamDecoder._summary,
        "response.reasoning_text.delta": StreamDecoder._thought,
        "response.function_call_arguments.delta": StreamDecoder._arguments,
        "response.output_item.done": StreamDecoder._item_end,
    }
)
