"""Streamed answers of Gemini.

https://ai.google.dev/api/generate-content#method:-models.streamgeneratecontent: each event is a
whole response object with the next parts; the stream ends with its body, after a finish reason.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from callgate.core.chat import Chunk, Json
from callgate.core.jsontext import parse
from callgate.core.sse import Event, Parser
from callgate.core.target import Target
from callgate.core.template import Run
from callgate.errors import GatewayError
from callgate.providers.failure import bad_reply
from callgate.providers.gemini.answer import Gathered, created_of, finish_reason, text_of
from callgate.providers.gemini.errors import blocked, from_object
from callgate.providers.gemini.sources import (
    MAX_SOURCES,
    annotations_of,
    in_characters,
    logprobs_of,
)
from callgate.providers.gemini.usage import COUNTS, usage_of
from callgate.providers.streaming import is_call

MAX_SKIPPED = 3
MAX_CHOICES = 128
MAX_ARRAY_BYTES = 64 << 20


class _Choice:
    __slots__ = ("finished", "gathered", "sources")

    def __init__(self, seed: str) -> None:
        self.finished = False
        self.gathered = Gathered(seed)
        self.sources: list[Json] = []


class StreamDecoder:
    """Decodes one stream; see `providers.base.ChunkDecoder`.

    A body that is one JSON array, as it comes without `alt=sse`, is read at its end. A failure
    that follows sound chunks in the same read is raised by the next call.
    """

    def __init__(self, target: Target) -> None:
        self.done = self.finished = False
        self.skipped = 0
        self.run: Run | None = None
        self._target = target
        self._parser = Parser()
        self._choices: dict[int, _Choice] = {}
        self._usage: Json | None = None
        self._opened = self._ending = False
        self._body = bytearray()
        self.failure: GatewayError | None = None

    def feed(self, data: bytes) -> Sequence[Chunk]:
        if self.failure is not None:
            raise self.failure
        if not self._opened:
            data = self._opening(data)
        return self._chunks(self._parser.feed(data))

    def close(self) -> Sequence[Chunk]:
        if self.failure is not None:
            raise self.failure
        if self.done:
            return ()
        skipped, self._ending = self.skipped, True
        chunks = self._array() if self._body else self._chunks(self._parser.close())
        self.skipped = skipped  # what breaks off within an event is cut, not malformed
        if self.failure is not None:
            raise self.failure
        if not self._choices or not all(one.finished for one in self._choices.values()):
            raise GatewayError("upstream_cut", "The provider's stream ended before the answer did.")
        self.done = True
        usage = usage_of(self._usage)
        return chunks if usage is None else [*chunks, Chunk(choices=[], usage=usage)]

    def _chunks(self, events: Sequence[Event]) -> list[Chunk]:
        chunks: list[Chunk] = []
        try:
            for _, data in events:
                try:
                    chunk = self._read(parse(data))
                except ValueError:
                    if data.strip():  # a blank one is a sign of life
                        self._skip(data)
                else:
                    if chunk is not None:
                        chunks.append(chunk)
        except GatewayError as error:
            if not chunks:
                raise
            self.failure = error
        return chunks

    def _read(self, body: Any) -> Chunk | None:
        """Make a chunk of an event's JSON. Raises ValueError where it has not the shape of one."""
        if type(body) is not dict:
            if type(body) is list and body and type(body[0]) is dict and body[0].get("error"):
                raise from_object(body, self._target)
            raise ValueError("no object")
        if body.get("error"):
            raise from_object(body, self._target)
        usage = body.get("usageMetadata")
        if type(usage) is dict and not COUNTS.isdisjoint(usage):
            self._usage = usage  # cumulative, so that the last one counts
        candidates = body.get("candidates")
        if candidates is None or candidates == []:
            refusal = blocked(body.get("promptFeedback"), self._target)
            if refusal is not None:
                raise refusal
            if candidates is None and usage is None and "responseId" not in body:
                raise ValueError("no candidates")
            return None
        if type(candidates) is not list:
            raise ValueError("candidates that are not a list")
        seed = text_of(body.get("responseId"))
        choices = self._listed(candidates, seed)
        if not choices:
            return None
        return Chunk(
            choices=choices,
            id=seed,
            created=created_of(body.get("createTime")),
            model=text_of(body.get("modelVersion")),
        )

    def _listed(self, candidates: list[Any], seed: str) -> list[Json]:
        known = len(self._choices)
        try:
            choices = [
                choice
                for at, candidate in enumerate(candidates)
                if (choice := self._choice(candidate, at, seed)) is not None
            ]
        except ValueError:  # skipped as a whole: what it began is not begun, what it ended not over
            while len(self._choices) > known:
                self._choices.popitem()
            raise
        for choice in choices:
            if choice["finish_reason"] is not None:
                self._choices[choice["index"]].finished = True
        self.finished = bool(self._choices) and all(one.finished for one in self._choices.values())
        return choices

    def _choice(self, candidate: Any, at: int, seed: str) -> Json | None:
        if type(candidate) is not dict:
            raise ValueError("a candidate that is not an object")
        index = candidate.get("index")
        index = index if type(index) is int else at
        content = candidate.get("content")
        if content is not None and type(content) is not dict:
            raise ValueError("content that is not an object")
        delta: Json = {}
        state = self._choices.get(index)
        if state is None:
            if len(self._choices) >= MAX_CHOICES:
                raise bad_reply("too many candidates", b"", self._target)
            state = self._choices[index] = _Choice(f"{seed}_{index}" if index else seed)
            delta["role"] = "assistant"
        if content:
            delta.update(state.gathered.take(content.get("parts")))
        if "groundingMetadata" in candidate or "citationMetadata" in candidate:
            self._sources(delta, state, candidate)
        choice: Json = {"index": index, "delta": delta, "finish_reason": None}
        if "logprobsResult" in candidate:
            choice["logprobs"] = logprobs_of(candidate)
        if "finishReason" in candidate:
            ended = finish_reason(candidate, self._target, called=state.gathered.called)
            if ended is not None:
                choice["finish_reason"], choice["native_finish_reason"] = ended
        return choice if delta or state.finished or len(choice) > 3 else None

    def _sources(self, delta: Json, state: _Choice, candidate: Json) -> None:
        """The sources that were not told before: Gemini repeats them."""
        fresh = [one for one in annotations_of(candidate) if one not in state.sources]
        if fresh and len(state.sources) < MAX_SOURCES:
            state.sources += fresh
            delta["annotations"] = in_characters(fresh, "".join(state.gathered.said))

    def _skip(self, data: bytes) -> None:
        self.skipped += 1
        if is_call(data) and not (self.finished or self._ending):
            raise bad_reply("a tool call with a malformed piece", b"", self._target)
        if self.skipped > MAX_SKIPPED:
            raise bad_reply("a stream of malformed events", b"", self._target)

    def _opening(self, data: bytes) -> bytes:
        """Keep a JSON body or a page that came in place of a stream; give a stream's bytes."""
        head = data.lstrip()
        if self._body or head[:1] in (b"{", b"[", b"<"):
            self._body += data
            if len(self._body) > MAX_ARRAY_BYTES:
                raise bad_reply(
                    "a body that is not a stream", bytes(self._body[:200]), self._target
                )
            return b""
        self._opened = bool(head)
        return data

    def _array(self) -> list[Chunk]:
        data = bytes(self._body)
        try:
            body = parse(data)
        except ValueError:
            if data.lstrip()[:1] == b"[" and b'"candidates"' in data[:2000]:
                raise GatewayError(
                    "upstream_cut", "The provider's stream ended before the answer did."
                ) from None
            raise bad_reply("a body that is not a stream", data, self._target) from None
        chunks: list[Chunk] = []
        for one in body if isinstance(body, list) else [body]:
            try:
                chunk = self._read(one)
            except ValueError:
                raise bad_reply("a body that is not a stream", data, self._target) from None
            if chunk is not None:
                chunks.append(chunk)
        return chunks
