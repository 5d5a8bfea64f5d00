"""The chunks of a streamed answer as callers get them: server-sent events, all under one id."""

from __future__ import annotations

from collections.abc import Sequence

from callgate.core.chat import Chunk
from callgate.core.present import chunk_event, chunk_head
from callgate.core.template import Run, Template, template_of
from callgate.engine.call import Call


class ChunkWriter:
    """Writes the chunks of one answer as server-sent events, all under the first one's id."""

    __slots__ = ("_call", "_head", "_run", "_template")

    def __init__(self, call: Call) -> None:
        self._call = call
        self._head = b""
        self._run: Run | None = None
        self._template: Template | None = None  # of the chunks of that run

    def all(self, chunks: Sequence[Chunk]) -> bytes:
        """Chunks that arrived together."""
        if len(chunks) == 1:
            return self._write(chunks[0])
        return b"".join([self._write(chunk) for chunk in chunks])

    def again(self, run: Run) -> bytes:
        """The events that a run has matched: chunks like its first but for the text."""
        if run is not self._run:
            self._run, self._template = run, template_of(self._write(run.chunk))
        template = self._template
        return self.all(run.chunks()) if template is None else template.fill(run)

    def usage(self) -> bytes:
        """The last chunk, which carries the usage of the whole answer."""
        return self._write(Chunk(choices=[], usage=self._call.usage))

    def _write(self, chunk: Chunk) -> bytes:
        return chunk_event(self._head or self._begin(chunk), chunk)

    def _begin(self, first: Chunk) -> bytes:
        call = self._call
        assert call.target is not None
        self._head = chunk_head(
            request_id=call.request_id,
            model=call.target.model.name,
            id=first.id or f"chatcmpl-{call.request_id}",
            created=first.created or int(call.arrived),
        )
        return self._head
