"""What the chaos upstream says: one sentence, always the same, so that a loss can be seen."""

from __future__ import annotations

import re
from typing import NamedTuple

SENTENCE = (
    "A lighthouse keeper counted every ship that passed the cape, wrote each name in a heavy book, "
    "and learned over many winters that storms forget nothing while calm seas remember very little."
)

_PIECE = re.compile(r"\s*\S+")


class Usage(NamedTuple):
    """Tokens as they are reported; the total stands apart so that it can be wrong."""

    input: int
    output: int
    total: int


WRONG_USAGE = Usage(0, 1_000_000, 1)
"""Nothing read, a million written, one in all."""


class Ask(NamedTuple):
    """What is read of a request, whatever its dialect.

    `last` is the text of the last message, `by_assistant` says whose it is; `words` counts those of
    all messages; `usage` says whether a stream is to report it.
    """

    model: str
    stream: bool
    last: str = ""
    by_assistant: bool = False
    words: int = 0
    usage: bool = True


class Answer(NamedTuple):
    """An answer before it is put into a dialect.

    `pieces`, joined, are its text; `id` is unique; `report` says whether a stream tells the usage.
    """

    id: str
    model: str
    pieces: tuple[str, ...]
    usage: Usage
    stream: bool = False
    report: bool = True

    @property
    def text(self) -> str:
        return "".join(self.pieces)


def answer_to(ask: Ask, id: str) -> Answer:  # noqa: A002 - the wire's own name
    """The sentence, or what is left of it where the last message is the assistant's beginning."""
    text = SENTENCE
    if ask.by_assistant and SENTENCE.startswith(ask.last):
        text = SENTENCE[len(ask.last) :]
    pieces = tuple(_PIECE.findall(text))
    read = max(ask.words, 1)
    usage = Usage(read, len(pieces), read + len(pieces))
    return Answer(id, ask.model, pieces, usage, ask.stream, ask.usage)


def text_of(content: object) -> str:
    """The text of a message's content: a string, or parts of which some have a `text`."""
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else ()
    return "".join(
        part["text"]
        for part in parts
        if isinstance(part, dict) and isinstance(part.get("text"), str)
    )


def ask_of(
    model: object, messages: object, *, stream: bool, content: str = "content", usage: bool = True
) -> Ask:
    """What a list of messages asks; `content` is the dialect's name of what a message carries.

    Raises ValueError where there is no model or no message.
    """
    if not isinstance(model, str) or not model:
        raise ValueError("no model is named")
    talk = [one for one in messages if isinstance(one, dict)] if isinstance(messages, list) else []
    if not talk:
        raise ValueError("there is no message")
    texts = [text_of(one.get(content)) for one in talk]
    return Ask(
        model,
        stream,
        last=texts[-1],
        by_assistant=talk[-1].get("role") in ("assistant", "model"),
        words=sum(len(text.split()) for text in texts),
        usage=usage,
    )
