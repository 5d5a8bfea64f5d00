"""Streamed answers of ConverseStream.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream.html
"""

from __future__ import annotations

from collections.abc import Sequence

from callgate.core.chat import Chunk, Json
from callgate.core.eventstream import Message, Parser
from callgate.core.jsontext import parse
from callgate.core.target import Target
from callgate.core.template import Run
from callgate.errors import GatewayError
from callgate.providers.bedrock.answer import extra_of, finish_reason, usage_of
from callgate.providers.bedrock.blocks import Blocks
from callgate.providers.bedrock.errors import from_frame
from callgate.providers.failure import bad_reply
from callgate.providers.streaming import MAX_SKIPPED
from callgate.providers.strict import Malformed, inner

_HEAD = 256


class StreamDecoder:
    """Decodes one stream; see `providers.base.ChunkDecoder`.

    The finish reason is held back until `metadata`, which follows at once and carries the usage and
    the guardrail's trace. A failure that follows sound chunks in the same read is raised by the
    next call, so that these chunks are not lost.
    """

    def __init__(self, target: Target) -> None:
        self.done = self.finished = False
        self.skipped = 0
        self.run: Run | None = None
        self._target = target
        self._parser = Parser()
        self._blocks = Blocks()
        self._role: Json = {"role": "assistant"}
        self._finish: Chunk | None = None
        self.failure: GatewayError | None = None
        self._head: bytes | None = b""  # how the body began, until it proves to be a stream

    def feed(self, data: bytes) -> Sequence[Chunk]:
        if self.failure is not None:
            raise self.failure
        if self.done:
            return ()
        if self._head is not None:
            self._head = (self._head + data[:_HEAD])[:_HEAD]
        messages, failure = self._parser.feed(data)
        if messages:
            self._head = None
        return self._chunks(messages, failure)

    def close(self) -> Sequence[Chunk]:
        if self.failure is not None:
            raise self.failure
        if self.done:
            return ()
        if self._finish is not None:
            return [self._end(self._finish)]
        if self._head and self._head.lstrip()[:1] in (b"{", b"[", b"<"):
            raise self._bad("a body that is not an event stream")
        raise GatewayError("upstream_cut", "The provider's stream ended before the answer did.")

    def _chunks(self, messages: Sequence[Message], failure: GatewayError | None) -> Sequence[Chunk]:
        chunks: list[Chunk] = []
        try:
            for message in messages:
                chunk = self._read(message)
                if chunk is not None:
                    chunks.append(chunk)
                if self.done:
                    return chunks
            if failure is not None:
                self._break(failure, chunks)
        except GatewayError as error:
            if not chunks:
                raise
            self.failure = error
        return chunks

    def _read(self, message: Message) -> Chunk | None:
        headers = message.headers
        kind = headers.get(":message-type")
        try:
            body = parse(message.payload) if message.payload else {}
            if kind == "event":
                name = headers.get(":event-type")
                return self._event(name, inner(body))
        except Malformed as error:
            raise self._bad(f"{error} in a stream") from None
        except ValueError:
            if kind == "event":
                self._skip()
                return None
            body = {}
        if kind == "exception":
            raise from_frame(str(headers.get(":exception-type", "")), body, self._target)
        if kind == "error":  # one that no model of the service names
            said = {"message": str(headers.get(":error-message", ""))}
            raise from_frame(str(headers.get(":error-code", "")), said, self._target)
        return None

    def _skip(self) -> None:
        """The frame's checksums were right, so that what follows can be trusted."""
        self.skipped += 1
        if self.skipped > MAX_SKIPPED:
            raise self._bad("a stream of malformed events")

    def _event(self, name: object, body: Json) -> Chunk | None:
        blocks = self._blocks
        if name == "contentBlockDelta":
            delta = blocks.delta(body)
        elif name == "contentBlockStart":
            delta = blocks.start(body)
        elif name == "contentBlockStop":
            delta = blocks.stop(body)
        elif name == "messageStop":
            if self._finish is None:
                self._stop(body)
            return None
        elif name == "metadata":
            return self._metadata(body)
        else:
            return None
        return self._chunk(delta) if delta else None

    def _chunk(self, delta: Json, finish: str | None = None, native: str | None = None) -> Chunk:
        if self._role:
            delta = {**self._role, **delta}
            delta.setdefault("content", None if "tool_calls" in delta else "")
            self._role = {}
        choice: Json = {"index": 0, "delta": delta, "finish_reason": finish}
        if native is not None:
            choice["native_finish_reason"] = native
        return Chunk(choices=[choice])

    def _stop(self, body: Json) -> None:
        finish, native = finish_reason(body.get("stopReason"))
        self._finish = self._chunk({}, finish, native)
        self._finish.extra = extra_of(body)
        self.finished = True

    def _metadata(self, body: Json) -> Chunk | None:
        finish = self._finish
        if finish is None:  # the end has not been told yet, so this is not it
            return Chunk(choices=[], usage=usage_of(body.get("usage")), extra=extra_of(body))
        finish.usage = usage_of(body.get("usage"))
        finish.extra = {**finish.extra, **extra_of(body)}
        return self._end(finish)

    def _end(self, finish: Chunk) -> Chunk:
        self.done = True
        return finish

    def _break(self, failure: GatewayError, chunks: list[Chunk]) -> None:
        """A break after the finish reason takes nothing from the answer."""
        if self._finish is not None:
            self.skipped += 1
            chunks.append(self._end(self._finish))
            return
        if self._head:
            raise self._bad("a body that is not an event stream")
        raise failure

    def _bad(self, what: str) -> GatewayError:
        return bad_reply(what, bytes(self._head or b""), self._target)
