"""Joins a further attempt's answer to the part of an answer that the caller already has.

Either the target was given that part and continues it (`Prefilled`), or it answers from the start
and its answer is compared with that part, character by character (`Matched`). Nothing is lost and
nothing comes twice: what cannot be joined in this way raises GatewayError `answer_diverged`.
"""

from __future__ import annotations

from typing import Protocol

from callgate.core.chat import Chunk, Json
from callgate.errors import GatewayError

LEAST_ECHO = 16
"""A target that is not known to repeat a beginning is only taken to do so from this length on:
the repetition of less may be meant."""

_THOUGHTS = ("reasoning_content", "reasoning")
_LAST = ("tool_calls", "refusal", "audio")


class Seam(Protocol):
    """Takes the text of an answer piece by piece; gives what of it goes on.

    `whole` says that the answer is the whole text, so that places in it are places in what the
    caller has.
    """

    whole: bool

    def take(self, text: str) -> str:
        """What the next piece adds. Raises GatewayError `answer_diverged`."""
        ...

    def end(self) -> str:
        """What was held back, once no more text comes. Raises as `take`; harmless if repeated."""
        ...


class Matched:
    """An answer from its beginning, of which the first part is to be what was delivered."""

    whole = True

    def __init__(self, delivered: str) -> None:
        self._delivered = delivered
        self._at = 0

    def take(self, text: str) -> str:
        left = len(self._delivered) - self._at
        if not left:
            return text
        known = text[:left]
        if not self._delivered.startswith(known, self._at):
            pairs = enumerate(zip(known, self._delivered[self._at :], strict=False))
            raise diverged(self._at + next(at for at, (one, other) in pairs if one != other))
        self._at += len(known)
        return text[left:]

    def end(self) -> str:
        if self._at < len(self._delivered):
            raise diverged(self._at)
        return ""


class Prefilled:
    """An answer that goes on from `stem(delivered)`.

    A target that repeats the beginning all the same is seen through; `echoes` says that it is known
    to. The whitespace that the stem lacks was delivered: where the answer begins with it, it is
    left out there.
    """

    whole = False

    def __init__(self, delivered: str, *, echoes: bool = False) -> None:
        self._stem = stem(delivered)
        self._gap = delivered[len(self._stem) :]
        self._at = 0  # how much of a repetition has come
        self._echo = echoes or len(self._stem) >= LEAST_ECHO

    def take(self, text: str) -> str:
        if self._echo:
            at, beginning = self._at, self._stem
            if beginning.startswith(text, at):
                self._at += len(text)
                self._echo = self._at < len(beginning)
                return ""
            self._echo = False
            rest = beginning[at:]
            text = text[len(rest) :] if text.startswith(rest) else beginning[:at] + text
        return self._past_gap(text) if self._gap else text

    def end(self) -> str:
        if not self._echo:
            return ""
        self._echo = False
        return self._past_gap(self._stem[: self._at])

    def _past_gap(self, text: str) -> str:
        gap = self._gap
        for at, one in enumerate(text):
            if at == len(gap) or one != gap[at]:
                self._gap = ""
                return text[at:]
        self._gap = gap[len(text) :]
        return ""


class Splice:
    """Makes the chunks of a further attempt go on with those that were delivered.

    `spoken` says that text was among those, `thought` that reasoning was. A caller who has text has
    had the reasoning before it, so that none is repeated; one who has none is given the reasoning
    of the attempt that answers, apart from the earlier one by a blank line.
    """

    def __init__(self, seam: Seam, *, spoken: bool, thought: bool = False) -> None:
        self._seam = seam
        self._spoken = spoken
        self._thought = thought

    def join(self, chunk: Chunk) -> None:
        """Change the chunk's choices in place; those with nothing to say are taken out."""
        chunk.choices = [choice for choice in chunk.choices if self._joined(choice)]

    def _joined(self, choice: Json) -> bool:
        delta: Json = choice["delta"]
        if choice.get("index"):
            return False  # nobody has asked for another
        delta.pop("role", None)
        if not self._seam.whole:
            delta.pop("annotations", None)  # their places are those of another text
        self._think(delta)
        text = delta.pop("content", None)
        said = self._seam.take(text) if text else ""
        if choice.get("finish_reason") or any(delta.get(name) for name in _LAST):
            said += self._seam.end()
        if said:
            delta["content"] = said
        return bool(delta or choice.get("finish_reason"))

    def _think(self, delta: Json) -> None:
        for name in _THOUGHTS:
            thought = delta.get(name)
            if not thought:
                continue
            if self._spoken:
                del delta[name]
            elif self._thought:
                delta[name] = f"\n\n{thought}"
        if delta.keys() & _THOUGHTS:
            self._thought = False


def stem(delivered: str) -> str:
    """The beginning as targets take it: Anthropic refuses one that ends in whitespace, and others
    go on badly from there. https://docs.anthropic.com/en/api/messages
    """
    return delivered.rstrip()


def diverged(at: int) -> GatewayError:
    """The error of an answer of which only the first `at` characters are those delivered."""
    return GatewayError(
        "answer_diverged",
        f"Another answer did not begin like the one that broke off: only the first {at} characters "
        "agree.",
    )
