"""A stream in the form that was asked for, passed on as it comes and checked at its end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from callgate.core.chat import Chunk
from callgate.core.request import ChatRequest
from callgate.core.schema.conformance import MAX_WORK
from callgate.core.structured_stream import Transcript, Unwrapping
from callgate.core.target import Target
from callgate.engine.call import Call
from callgate.engine.checkers import Checkers
from callgate.engine.healing import HealingStream
from callgate.engine.relay import Again, Outlet
from callgate.engine.shaping import UNCHECKED, checked, note, planned

_MOST = 4 * 2**20
"""Characters of an answer that are kept to be checked."""


class _Asked(NamedTuple):
    """What a target was asked; `unwrapping` where it had to call a function."""

    request: ChatRequest
    unwrapping: Unwrapping | None


class ShapedStream:
    """A stream whose answer has to have a form; used as a `Relay` is.

    `stream` is what it reads from, set before it is entered; each request of that has to be made
    by `asked`. An answer that does not conform is only noted, since it has been delivered by then.
    Where the target had to be made to call a function, its arguments become the content.
    """

    def __init__(self, call: Call, checkers: Checkers) -> None:
        self._call = call
        self._checkers = checkers
        self._asked: dict[str, _Asked] = {}
        self._transcript = Transcript(min(_MOST, MAX_WORK))
        self.stream: HealingStream | None = None

    def __enter__(self) -> ShapedStream:
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        assert self.stream is not None
        self.stream.__exit__(kind, error, trace)

    def asked(self, target: Target, request: ChatRequest) -> ChatRequest:
        """The request as this target is asked."""
        way = planned(self._call, target, request)
        asked = _Asked(request, Unwrapping() if way.tool else None)
        self._asked[target.deployment.id] = asked  # two may be asked at the same time
        return way.request

    async def next(self) -> Sequence[Chunk] | None:
        """The next chunks, at least one; None when the answer is complete."""
        call = self._call
        assert self.stream is not None
        assert call.target is not None
        request, unwrapping = self._asked[call.target.deployment.id]
        while (chunks := await self.stream.next()) is not None:
            if unwrapping is not None:
                chunks = unwrapping.turn(chunks)
                call.finish_reason = _finish(chunks) or call.finish_reason
            for chunk, text in self._transcript.take(chunks):
                await self._check(request, chunk, text)
            if chunks:
                return chunks
        if self._transcript.full:
            call.notes.append(UNCHECKED)
        return None

    async def pour(self, sink: Outlet, again: Again | None = None) -> None:
        """Nothing is passed on unseen: `next` is told all of it."""

    async def _check(self, request: ChatRequest, chunk: Chunk, text: str) -> None:
        form = self._checkers.form(request)
        if form.checker is None:
            return
        _, violations = await checked(form.checker, text, mends=False)
        if violations:
            note(self._call, chunk, violations)
        elif not form.known:
            self._call.notes.append(UNCHECKED)


def _finish(chunks: Sequence[Chunk]) -> str | None:
    """The word with which these chunks end a choice, if they do."""
    ends = (choice.get("finish_reason") for chunk in chunks for choice in chunk.choices)
    return next((end for end in ends if end), None)
