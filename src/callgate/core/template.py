"""Stream events that differ in their text alone, read and written without parsing their JSON.

A string in JSON can stand in for another without a change to what is around it (RFC 8259, 7), so
what an event means is known from another that has the same bytes around its text. Some providers
hide the length of a text by a second string of random length, or by spaces at the end.
"""

from __future__ import annotations

import re
from typing import Final

import msgspec

from callgate.core.chat import Chunk, Json

TEXT: Final = "<callgate:text>"
"""Stands for the text of any of these events."""

PADDING: Final = "<callgate:padding>"
"""Stands for the string behind it that means nothing."""

_MOST: Final = 64 * 1024
_TEXT: Final = b'"<callgate:text>"'
_PADDING: Final = b'"<callgate:padding>"'
_MARK: Final = b"<callgate:"
_QUOTE: Final = b'"'
_QUOTE_BYTE: Final = 34  # as numbers, which `in` takes fastest
_BACKSLASH_BYTE: Final = 92
_LF: Final = 10
_END: Final = b"\n\n"
_CLOSING: Final = b'"}] \n'
_FIELDS: Final = ("content", "reasoning_content", "reasoning")

_string: Final = msgspec.json.Decoder(str).decode
_json: Final = msgspec.json.Encoder().encode


class Template:
    """What is around the text, and around the padding if there is one; the quotes belong to it."""

    __slots__ = ("after", "before", "between")

    def __init__(self, before: bytes, between: bytes, after: bytes) -> None:
        self.before = before
        self.between = between
        self.after = after

    def fill(self, run: Run) -> bytes:
        """The bytes with the texts, and the padding, of what the run has taken last."""
        last = self._filled(run.quoted, run.padding)
        if not run.earlier:
            return last
        return b"".join([*(self._filled(*strings) for strings in run.earlier), last])

    def _filled(self, quoted: bytes, padding: bytes) -> bytes:
        if self.between:
            return self.before + quoted + self.between + padding + self.after
        return self.before + quoted + self.after


def template_of(marked: bytes) -> Template | None:
    """The template that bytes make in which TEXT, and perhaps PADDING after it, stand once each."""
    before, text, rest = marked.partition(_TEXT)
    between, padding, after = rest.partition(_PADDING)
    left = [part for part in (before, between, after) if part.find(_MARK) >= 0]
    if not text or left:
        return None
    return Template(before, between, after) if padding else Template(before, b"", between)


def marked(data: bytes, text: re.Pattern[bytes], padding: re.Pattern[bytes] | None) -> bytes:
    """An event with marks where its text is, and its padding; empty where no text is found.

    The first group of each pattern is what is in the quotes. That it is what it is taken for, is
    seen by what is then read out of it (`run_of`).
    """
    found = text.search(data, 0, _MOST)
    if found is None:
        return b""
    start, end = found.span(1)
    rest = data[end:]
    if padding is not None and (beyond := padding.search(rest)) is not None:
        rest = b"%b%b%b" % (rest[: beyond.start(1)], PADDING.encode(), rest[beyond.end(1) :])
    return b"%b%b%b" % (data[:start], TEXT.encode(), rest)


class Run:
    """Events in a row that are alike: `chunk` is what all of them mean, with TEXT for their text.

    Of what was taken last, `text` is the text, `quoted` and `padding` are its last event's strings
    as JSON, `earlier` those of the events that were taken with it. `spoken` says that it is the
    answer's own text and no reasoning; `taken` counts the characters.
    """

    __slots__ = (
        "_after", "_before", "_between", "_field", "_spaced", "chunk", "earlier", "padding",
        "quoted", "spoken", "taken", "text",
    )  # fmt: skip

    def __init__(self, template: Template, chunk: Chunk, field: str) -> None:
        self.chunk = chunk
        self.spoken = field == "content"
        self._field = field
        self.text = ""
        self.quoted = self.padding = b'""'
        self.earlier: list[tuple[bytes, bytes]] = []
        self.taken = 0
        after = template.after
        self._spaced = not template.between and not after.strip(_CLOSING)  # may have spaces in it
        self._before = template.before + _QUOTE
        self._between = _QUOTE + template.between + _QUOTE if template.between else b""
        self._after = _QUOTE + (after.replace(b" ", b"") if self._spaced else after)

    def takes(self, data: bytes) -> bool:
        """Whether these bytes are such events, one or several, and nothing else.

        Then what they say is taken.
        """
        text = self._take(data)
        if text:
            if self.earlier:
                self.earlier = []
        else:
            text = self._several(data)
            if not text:
                return False
        self.text = text
        self.taken += len(text)
        return True

    def _several(self, data: bytes) -> str:
        if not data.endswith(_END) or data.count(_END) == 1 or not data.startswith(self._before):
            return ""
        texts: list[str] = []
        earlier: list[tuple[bytes, bytes]] = []
        for event in data[:-2].split(_END):
            if texts:
                earlier.append((self.quoted, self.padding))
            text = self._take(event + _END)
            if not text:
                return ""
            texts.append(text)
        self.earlier = earlier
        return "".join(texts)

    def _take(self, data: bytes) -> str:
        """The text of one event; none where it is no such event."""
        before, between = self._before, self._between
        start = len(before) - 1  # the first quote of the text
        if len(data) > _MOST or data[: start + 1] != before:
            return ""
        end = self._end(data, start)
        if end <= start:
            return ""
        padding = b""
        if between:
            padding = data[end + len(between) - 1 : len(data) - len(self._after) + 1]
        quoted = data[start : end + 1]
        if _LF in quoted or _LF in padding or _BACKSLASH_BYTE in padding:
            return ""
        try:
            text: str = _string(quoted)
            if padding:
                _string(padding)
        except ValueError:
            return ""
        if _BACKSLASH_BYTE in quoted:  # there are several ways to escape
            quoted = _json(text)
        self.quoted, self.padding = quoted, padding
        return text

    def _end(self, data: bytes, start: int) -> int:
        """Where the text's last quote is; 0 where what follows is not what it has to be."""
        between, after = self._between, self._after
        last = len(data) - len(after)
        if between:
            end = data.find(between, start + 1)
            fits = end > start and end + len(between) - 1 < last and data[last:] == after
            return end if fits else 0
        if data[last:] == after:
            return last
        end = data.rfind(_QUOTE_BYTE)
        fits = self._spaced and data[-3:] == after[-3:] and data[end:].replace(b" ", b"") == after
        return end if fits else 0

    def chunks(self) -> list[Chunk]:
        """What was taken last, as chunks of their own."""
        strings = [*self.earlier, (self.quoted, self.padding)]
        return [self._chunk(_string(quoted), padding) for quoted, padding in strings]

    def _chunk(self, text: str, padding: bytes) -> Chunk:
        chunk = self.chunk
        choice: Json = chunk.choices[0]
        delta = {**choice["delta"], self._field: text}
        extra = {
            name: _string(padding) if value == PADDING else value
            for name, value in chunk.extra.items()
        }
        return msgspec.structs.replace(chunk, choices=[{**choice, "delta": delta}], extra=extra)


def run_of(data: bytes, chunk: Chunk) -> Run | None:
    """The run that an event with marks begins, which was read as this chunk.

    None where the chunk does not carry the marks: they have hit something else.
    """
    template = template_of(data)
    delta: Json = chunk.choices[0]["delta"]
    fields = [name for name in _FIELDS if delta.get(name) == TEXT]
    if template is None or not fields or (template.between and PADDING not in chunk.extra.values()):
        return None
    return Run(template, chunk, fields[0])
