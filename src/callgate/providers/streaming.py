"""What the decoders of server-sent events have in common, whatever the dialect."""

from __future__ import annotations

import re
from collections.abc import Sequence

from callgate.core.chat import Chunk
from callgate.core.jsontext import parse, strict
from callgate.core.sse import Event, Parser, only
from callgate.core.target import Target
from callgate.core.template import Run, run_of
from callgate.errors import GatewayError
from callgate.providers.failure import bad_reply

MAX_SKIPPED = 3
_CALL = re.compile(
    rb'"(?:tool_calls?|function_call|tool_use|input_json_delta|tool-call-[a-z]+|functionCall)"'
)
MAX_BODY_BYTES = 1 << 20


class EventStream:
    """Feeds a parser, tells a JSON body or a page from a stream, and counts malformed events.

    A dialect says in `_chunks` what its events mean, in `_conclude` what the end of the body means,
    and in `_refusal` which JSON in place of a stream is a failure that it knows. A failure that
    follows sound chunks in the same read is kept in `failure` and raised by the next call, so
    that these chunks are not lost.
    """

    def __init__(self, target: Target) -> None:
        self.done = self.finished = False
        self.skipped = 0
        self._target = target
        self._parser = Parser()
        self._opened = self._ending = False
        self._body = bytearray()  # what came in place of a stream
        self.failure: GatewayError | None = None
        self.run: Run | None = None
        self._run: Run | None = None  # also while an event is in parts
        self._vain = self._wait = 0  # looks that led to nothing, and events until the next look

    def feed(self, data: bytes) -> Sequence[Chunk]:
        """See `providers.base.ChunkDecoder`."""
        if self.failure is not None:
            raise self.failure
        if self.done:
            return ()
        if not self._opened:
            data = self._opening(data)
        self._hear()
        chunks = self._chunks(self._parser.feed(data))
        self._follow(data, chunks)
        return chunks

    def close(self) -> Sequence[Chunk]:
        """See `providers.base.ChunkDecoder`."""
        if self.failure is not None:
            raise self.failure
        if self.done:
            return ()
        if self._body:
            raise self._no_stream()
        self._ending = True
        self._hear()
        return self._conclude(self._parser.close())

    def _chunks(self, events: Sequence[Event]) -> Sequence[Chunk]:
        raise NotImplementedError

    def _conclude(self, events: Sequence[Event]) -> Sequence[Chunk]:
        raise NotImplementedError

    def _refusal(self, value: object) -> GatewayError | None:
        raise NotImplementedError

    def _hear(self) -> None:
        """Take note of what was taken by the run, and not fed."""
        run = self._run
        if run is not None and run.taken:
            self._vain = self._wait = 0
            self._lengthen(run.taken)
            run.taken = 0

    def _lengthen(self, characters: int) -> None:
        """Count the characters that a run has taken, where that is of use."""

    def _lasts(self, run: Run) -> bool:
        """Whether the events of the run still mean what they did."""
        return True

    def _marked(self, data: bytes) -> bytes:
        """An event with marks in place of its text (`core.template`); empty where it has none."""
        return b""

    def _plain(self, name: str, body: object) -> Chunk | None:
        """The chunk of an event that says a text and has no other effect; None for any other."""
        return None

    def _follow(self, data: bytes, chunks: Sequence[Chunk]) -> None:
        """See whether what comes next may be like what just came."""
        self.run = None
        if self.done or self.finished or self.failure is not None:
            self._run = None
            return
        if self._run is not None and not self._lasts(self._run):
            self._run = None
        if not self._parser.between:
            return
        if chunks:
            if self._wait:
                self._wait -= 1
            else:
                self._vain += 1
                self._wait = self._vain // 2
                self._run = self._begun(_last(data)) or self._run
        self.run = self._run

    def _begun(self, data: bytes) -> Run | None:
        """The run that these bytes begin, if they are an event of a kind that makes one."""
        marked = self._marked(data)
        event = only(marked)
        if event is None:
            return None
        try:
            chunk = self._plain(event[0], strict(event[1]))
        except (GatewayError, ValueError):
            return None
        return None if chunk is None else run_of(marked, chunk)

    def _skip(self, data: bytes) -> None:
        self.skipped += 1
        if self.skipped > MAX_SKIPPED:
            raise self._bad("a stream of malformed events")
        if not (self.finished or self._ending) and (self._calling() or is_call(data)):
            raise self._bad("a tool call with a malformed piece")

    def _calling(self) -> bool:
        """Whether a tool call has begun that malformed events may be pieces of."""
        return False

    def _opening(self, data: bytes) -> bytes:
        """Keep a JSON body or a page that came in place of a stream; give a stream's bytes."""
        head = data.lstrip()
        if self._body or head[:1] in (b"{", b"[", b"<"):
            self._body += data
            if len(self._body) > MAX_BODY_BYTES:
                raise self._no_stream()
            return b""
        self._opened = bool(head)
        return data

    def _no_stream(self) -> GatewayError:
        body = bytes(self._body)
        try:
            refusal = self._refusal(parse(body))
        except ValueError:
            refusal = None
        if refusal is not None:
            return refusal
        return self._bad("a body that is not a stream", body)

    def _bad(self, what: str, body: bytes = b"") -> GatewayError:
        return bad_reply(what, body, self._target)


def _last(data: bytes) -> bytes:
    """The last of the events that have come together."""
    return data[data.rfind(b"\n\n", 0, -2) + 2 :] if data.count(b"\n\n") > 1 else data


def is_call(data: bytes) -> bool:
    """Whether a malformed event seems to be a piece of a tool call.

    Words with a hole are seen by whoever reads them. Arguments with one may still be JSON, and do
    something else than was meant.
    """
    return _CALL.search(data) is not None


def cut() -> GatewayError:
    """The error of a stream whose body ended before its answer did."""
    return GatewayError("upstream_cut", "The provider's stream ended before the answer did.")
