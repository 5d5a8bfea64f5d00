"""The streamed answer of one target, as chunks in order."""

from __future__ import annotations

from collections.abc import Sequence

from callgate.core.chat import ChatRequest, Chunk, Usage
from callgate.core.models import Target
from callgate.core.validate import prompt_bytes
from callgate.engine.attempt import SEEN_BODY, Try
from callgate.engine.call import Call
from callgate.errors import GatewayError
from callgate.providers.base import ChunkDecoder
from callgate.upstream.client import Client, Response
from callgate.upstream.credentials import Credentials

_CONTENT = ("content", "tool_calls", "reasoning_content", "reasoning", "refusal", "audio")


class Relay:
    """Open it, then use it as a context and take `next()` until it gives None.

    Opening waits for the first content, so that a failure before it can still be told with a
    status of its own, or be mended elsewhere. Usage is held back for the call; it is not among the
    chunks.
    """

    __slots__ = (
        "_call",
        "_decoder",
        "_first",
        "_request",
        "_response",
        "_start",
        "_try",
        "text_length",
    )

    def __init__(
        self,
        call: Call,
        request: ChatRequest,
        target: Target,
        client: Client,
        credentials: Credentials,
    ) -> None:
        self._call = call
        self._request = request
        self._try = Try(call, target, client, credentials)
        self._decoder: ChunkDecoder = self._try.dialect.decoder(target)
        self._response: Response | None = None
        self._first: Sequence[Chunk] = ()
        self._start: bytes | None = b""  # what was received before the first content
        self.text_length = 0

    @property
    def target(self) -> Target:
        """Where the answer comes from."""
        return self._try.target

    async def open(self) -> None:
        """Send the request and wait for the first content. Raises GatewayError."""
        with_try = self._try
        try:
            self._response = await with_try.send(self._request)
            self._first = await self._until_content()
            self._response.answering()
        except BaseException as error:
            self._call.usage = self._call.finish_reason = None
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
            call.notes.append(f"{decoder.skipped} malformed events of the provider were skipped")
        if call.usage is None:
            call.usage = self._estimate()
        self._try.__exit__(kind, error, trace)

    async def next(self) -> Sequence[Chunk] | None:
        """The next chunks, at least one; None when the answer is complete.

        Raises GatewayError where the stream fails: what was given so far is then no whole answer.
        """
        if self._first:
            first, self._first = self._first, ()
            return first
        return await self._more()

    async def _until_content(self) -> Sequence[Chunk]:
        """All chunks up to the first that says something: what went before is no answer yet."""
        chunks: list[Chunk] = []
        while (ready := await self._more()) is not None:
            chunks += ready
            if any(_says_something(chunk) for chunk in ready):
                break
        return chunks

    async def _more(self) -> Sequence[Chunk] | None:
        response, decoder = self._response, self._decoder
        assert response is not None
        while not decoder.done:
            data = b""
            try:
                data = await response.receive()
                if self._start is not None and len(self._start) < SEEN_BODY:
                    self._start += data
                chunks = decoder.feed(data) if data else decoder.close()
            except GatewayError as error:
                if error.kind.type == "upstream_cut" and not decoder.done:
                    return self._kept(self._last_words(error)) or None
                if error.kind.type == "bad_upstream_reply":
                    # Once there is an answer, only the piece at fault: its words are the caller's.
                    self._try.keep_body(data if self._start is None else self._start)
                raise
            kept = self._kept(chunks)
            if kept:
                return kept
            if not data:
                return None
        return None

    def _last_words(self, cut: GatewayError) -> Sequence[Chunk]:
        """A connection that died after a complete answer has done no harm; else it is a cut."""
        try:
            return self._decoder.close()
        except GatewayError:
            raise cut from None

    def _kept(self, chunks: Sequence[Chunk]) -> Sequence[Chunk]:
        """Take what the record needs from the chunks; give those that have something to say."""
        call = self._call
        for chunk in chunks:
            if chunk.usage is not None:
                call.usage, chunk.usage = chunk.usage, None
            for choice in chunk.choices:
                content = choice["delta"].get("content")
                if content:
                    self.text_length += len(content)
                if choice.get("finish_reason"):
                    call.finish_reason = choice["finish_reason"]
                    call.native_finish_reason = choice.get("native_finish_reason")
        return [chunk for chunk in chunks if chunk.choices]

    def _estimate(self) -> Usage:
        """Four characters to a token, where the provider has not said."""
        prompt = len(prompt_bytes(self._request)) // 4
        output = self.text_length // 4
        return Usage(
            input_tokens=prompt, output_tokens=output, total_tokens=prompt + output, estimated=True
        )


def _says_something(chunk: Chunk) -> bool:
    """Whether a chunk bears more than the role of who speaks."""
    return any(
        choice.get("finish_reason") or any(choice["delta"].get(name) for name in _CONTENT)
        for choice in chunk.choices
    )
