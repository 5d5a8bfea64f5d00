"""The streamed answer of one target, as chunks in order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from callgate.core.chat import Chunk, Json, Usage
from callgate.core.pricing import with_tier
from callgate.core.record import NO_REASON, Attempt
from callgate.core.request import ChatRequest
from callgate.core.splice import Splice
from callgate.core.target import Target
from callgate.core.template import Run
from callgate.core.usage import completed
from callgate.engine.attempt import SEEN_BODY, Try
from callgate.engine.call import Call, note_declined
from callgate.engine.contentfilter import FILTERED
from callgate.engine.estimate import PER_TOKEN, characters, estimate
from callgate.errors import GatewayError
from callgate.providers.base import ChunkDecoder
from callgate.providers.registry import dialect_of
from callgate.upstream.credentials import Credentials
from callgate.upstream.transport import Transport, UpstreamResponse

Outlet = Callable[[Sequence[Chunk]], bool]
"""Takes chunks immediately; returns whether it can take more."""
Again = Callable[[Run], bool]
"""Takes the events that a run has matched, like its first but for the text; likewise."""

_BREAKS = ("upstream_cut", "upstream_timeout")
_LAST_WAIT = 1.0
"""How many seconds to wait, after the finish reason, for the end mark or the usage."""
_PLAIN = frozenset({"role", "content", "reasoning_content", "reasoning", "reasoning_details"})
_CONTENT = ("content", "tool_calls", "reasoning_content", "reasoning", "refusal", "audio")


class Relay:
    """Open it, then use it as a context manager and call `next()` until it returns None.

    Opening waits for the first content, so that an earlier failure can still have a status of its
    own, or lead to another target. `usage` is held back from the chunks and becomes the call's at
    the end. `text` are the pieces of text passed on so far; `plain`: besides text there was nothing
    but reasoning; `thought`: there was reasoning; `beside` counts the characters of reasoning and
    calls. A `splice` joins the chunks to those of an earlier attempt.
    """

    __slots__ = (
        "_call",
        "_decoder",
        "_failed",
        "_first",
        "_request",
        "_response",
        "_single",
        "_splice",
        "_start",
        "_try",
        "beside",
        "plain",
        "text",
        "thought",
        "usage",
    )

    def __init__(
        self,
        call: Call,
        request: ChatRequest,
        target: Target,
        client: Transport,
        credentials: Credentials,
        splice: Splice | None = None,
    ) -> None:
        self._call = call
        self._request = request
        self._try = Try(call, target, client, credentials)
        self._decoder: ChunkDecoder = dialect_of(request, target).decoder(target)
        self._response: UpstreamResponse | None = None
        self._first: Sequence[Chunk] = ()
        self._failed: tuple[bytes, Exception] | None = None  # in `pour`, with the bytes at fault
        self._start: bytes | None = b""  # the bytes received before the first content
        self._single = (request.body.n or 1) == 1
        self._splice = splice
        self.usage: Usage | None = None
        self.text: list[str] = []
        self.plain = True
        self.thought = False
        self.beside = 0

    @property
    def target(self) -> Target:
        """The target that answers."""
        return self._try.target

    @property
    def attempt(self) -> Attempt:
        """The attempt on record."""
        return self._try.attempt

    @property
    def filtered(self) -> bool:
        """Whether a content filter ended the answer right at its first content."""
        return self._single and any(
            choice.get("finish_reason") == FILTERED
            for chunk in self._first
            for choice in chunk.choices
        )

    async def open(self) -> None:
        """Send the request and wait for the first content. Raises GatewayError."""
        with_try = self._try
        try:
            self._response = await with_try.send(self._request)
            self._first = await self._until_content()
            self._response.answering()
        except BaseException as error:
            self._call.finish_reason = None
            with_try.__exit__(type(error), error, None)
            raise
        self._start = None
        with_try.mark_first_token()
        with_try.count_time()

    def __enter__(self) -> Relay:
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        call, decoder = self._call, self._decoder
        if decoder.skipped:
            events = "event was" if decoder.skipped == 1 else "events were"
            call.notes.append(f"{decoder.skipped} malformed {events} skipped")
        if decoder.done and call.finish_reason is None:
            call.notes.append(NO_REASON)
        if self.usage is None:
            written = sum(map(len, self.text)) + self.beside
            self.usage = estimate(self._request, self.target.model, written // PER_TOKEN)
        call.usage = self.usage
        self._try.__exit__(kind, error, trace)

    async def next(self) -> Sequence[Chunk] | None:
        """The next chunks, at least one; None when the answer is complete.

        Raises GatewayError if the stream fails: the answer so far is then incomplete.
        """
        if self._first:
            first, self._first = self._first, ()
            return first
        return await self._more()

    async def pour(self, sink: Outlet, again: Again | None = None) -> None:
        """Pass further chunks to `sink` as they arrive, without waking a task for each.

        Returns once `sink` returns False, or `next` has the end or a failure to report. `again`, if
        given, gets the events that differ only in their text from what `sink` was given.
        """
        response, decoder = self._response, self._decoder
        assert response is not None
        if self._first or decoder.finished or decoder.done or decoder.failure:
            return
        if self._splice is not None:
            again = None  # the splice has to see, and may change, every chunk

        def take(data: bytes) -> bool:
            try:
                if again is not None:
                    run = decoder.run
                    if run is not None and run.takes(data):
                        if run.spoken:
                            self.text.append(run.text)
                        else:
                            self.beside += len(run.text)
                        return again(run)
                kept = self._kept(decoder.feed(data))
                goes_on = not kept or sink(kept)
            except Exception as error:  # the waiting task raises it, whatever it is
                self._failed = data, error
                return False
            return goes_on and not (decoder.finished or decoder.done or decoder.failure)

        await response.pour(take)

    async def _until_content(self) -> Sequence[Chunk]:
        """All chunks up to the first with content: before that there is no answer yet."""
        chunks: list[Chunk] = []
        while (ready := await self._more()) is not None:
            chunks += ready
            if any(_says_something(chunk) for chunk in ready):
                break
        return chunks

    async def _more(self) -> Sequence[Chunk] | None:
        response, decoder = self._response, self._decoder
        assert response is not None
        while self._failed is not None or not decoder.done:
            data = b""
            try:
                if self._failed is not None:
                    data = self._failed[0]
                    raise self._surrender()
                if decoder.failure is not None:
                    raise decoder.failure
                if decoder.finished and self._single:
                    data = await _last(response)
                else:
                    data = await response.receive()
                if self._start is not None and len(self._start) < SEEN_BODY:
                    self._start += data
                chunks = decoder.feed(data) if data else decoder.close()
            except GatewayError as error:
                if error.kind.type in _BREAKS and not decoder.done:
                    # A connection that died after a complete answer has done no harm.
                    with suppress(GatewayError):
                        return self._kept(decoder.close()) or None
                if error.kind.type == "bad_upstream_reply":
                    # Once content has arrived, only the piece at fault: the rest is the answer.
                    self._try.keep_body(data if self._start is None else self._start)
                raise
            kept = self._kept(chunks)
            if kept:
                return kept
            if not data:
                return None
        return None

    def _surrender(self) -> Exception:
        """What ended `pour`, once; see `Connection.surrender`."""
        assert self._failed is not None
        error, self._failed = self._failed[1], None
        return error

    def _kept(self, chunks: Sequence[Chunk]) -> Sequence[Chunk]:
        """Note what the record needs from the chunks; returns those to pass on."""
        call = self._call
        for chunk in chunks:
            if chunk.usage is not None:
                self.usage = completed(with_tier(chunk.usage, chunk.extra), self.usage)
                chunk.usage = None
            if self._splice is not None:
                self._join(self._splice, chunk)
            for choice in chunk.choices:
                delta = choice["delta"]
                content = delta.get("content")
                if content:
                    self.text.append(content)
                if len(delta) > 1 or not content:
                    self._note(delta, chunk.extra)
                    for name, value in delta.items():
                        if type(value) is list and name != "tool_calls":
                            self._number(value, (choice.get("index", 0), name))
                if choice.get("finish_reason"):
                    call.finish_reason = choice["finish_reason"]
                    call.native_finish_reason = choice.get("native_finish_reason")
        return [chunk for chunk in chunks if chunk.choices]

    def _note(self, delta: Json, extra: Json) -> None:
        """Note what a delta has besides text: reasoning, calls, the provider's own tools."""
        self.thought = self.thought or "reasoning_content" in delta or "reasoning" in delta
        for name, value in delta.items():
            if value and name not in _PLAIN:
                self.plain = False
                if name == "refusal":
                    note_declined(self._call)
                self.beside += characters(value)
        self.beside += characters(delta.get("reasoning_content") or delta.get("reasoning"))
        if "content_blocks" in extra:
            self.plain = False

    def _number(self, entries: list[Any], where: tuple[int, str]) -> None:
        """Give each entry of a list its `index` within the whole answer.

        OpenAI's SDKs assemble a list by `index`, and fail at the second piece without one.
        https://github.com/openai/openai-python/blob/main/src/openai/lib/streaming/_deltas.py
        """
        if self._call.listed is None:
            self._call.listed = {}
        listed = self._call.listed
        for entry in entries:
            if type(entry) is dict and type(entry.get("index")) is not int:
                at = entry["index"] = listed.get(where, 0)
                listed[where] = at + 1

    def _join(self, splice: Splice, chunk: Chunk) -> None:
        if self._response is not None and _says_something(chunk):
            self._response.answering()  # even if it only repeats what was delivered before
        splice.join(chunk)


async def _last(response: UpstreamResponse) -> bytes:
    """The bytes after a complete answer; a short silence counts as the end."""
    response.ending(_LAST_WAIT)
    try:
        return await response.receive()
    except GatewayError as error:
        if error.kind.type != "upstream_timeout":
            raise
        return b""


def _says_something(chunk: Chunk) -> bool:
    """Whether a chunk carries more than a role."""
    return any(
        choice.get("finish_reason") or any(choice["delta"].get(name) for name in _CONTENT)
        for choice in chunk.choices
    )
