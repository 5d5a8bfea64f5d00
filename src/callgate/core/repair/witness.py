"""Proves that a broken JSON text says what a proposal claims that it says.

The proposal comes from a parser that guesses. Here its value is walked along the text, character by
character: every key, string, number and literal of the proposal has to stand in the text, in order,
and nothing else may stand between them but what JSON writes without meaning anything (brackets,
commas, colons, white space, comments). Where the text can be read in two ways, it is refused. What
comes out is written from the text, not from the proposal, so that numbers keep all their digits.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple, NoReturn

from callgate.core.repair.lexicon import (
    AS_END,
    BARE_KEY,
    BLANK,
    CLOSERS,
    CLOSING,
    CONSTANTS,
    DELIMITED,
    ESCAPES,
    GAP,
    JSON_LITERALS,
    LITERALS,
    LOOSE_NUMBER,
    NUMBER,
    SPACE,
    WORD,
    characters,
    halves,
    hex_digits,
    plain_number,
    unicode_escape,
)

MAX_DEPTH = 64

_encode = json.JSONEncoder(ensure_ascii=False).encode


class UnclearError(ValueError):
    """The text does not say this, or does not say it alone. Its words are for the caller."""


class Proven(NamedTuple):
    """`text` is JSON; `end` is where the value ended in the original; `notes` say what was fixed.

    `closed` tells that brackets were added because the text ended.
    """

    text: str
    end: int
    closed: bool
    notes: list[str]


def prove(text: str, proposal: object) -> Proven:
    """The value at the beginning of the text, which has to be the proposal. Raises UnclearError."""
    walk = _Walk(text)
    walk.value(proposal, "item", 0)
    return Proven("".join(walk.out), walk.at, walk.closed, list(walk.notes))


class _Walk:
    """`at` is how far the text is accounted for; `out` is the repaired text so far."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.out: list[str] = []
        self.notes: dict[str, None] = {}
        self.closed = False
        self.unknown = False  # whether the string has backslashes that escape nothing
        self.doubtful = False  # and such as may do so by chance, as in C:\new

    def value(self, value: object, place: str, depth: int) -> None:
        if depth > MAX_DEPTH:
            raise UnclearError(f"it is nested deeper than {MAX_DEPTH} levels")
        start = self.peek()
        if isinstance(value, dict) and start == "{":
            self.members(value, depth)
        elif isinstance(value, list) and start == "[":
            self.items(value, depth)
        elif isinstance(value, str) and start in CLOSING:
            self.out.append(_encode(self.quoted(value, place)))
        elif isinstance(value, str) or value is None or isinstance(value, bool):
            self.word(value)
        elif isinstance(value, int | float):
            self.number()
        else:
            self.refuse("what is there is ambiguous")

    def members(self, value: dict[Any, Any], depth: int) -> None:
        self.at += 1
        self.out.append("{")
        for number, (key, item) in enumerate(value.items()):
            self.separate(number, "member")
            self.key(key)
            self.gap()
            if self.peek() != ":":
                self.refuse("a key has no value")
            self.at += 1
            self.gap()
            self.out.append(": ")
            self.value(item, "member", depth + 1)
        self.close("}")

    def items(self, value: list[Any], depth: int) -> None:
        self.at += 1
        self.out.append("[")
        for number, item in enumerate(value):
            self.separate(number, "item")
            self.value(item, "item", depth + 1)
        self.close("]")

    def separate(self, number: int, place: str) -> None:
        """Up to the next member or item, over the one comma that has to be there."""
        start = self.at
        self.gap()
        if number == 0:
            return
        self.out.append(", ")
        if self.peek() == ",":
            self.at += 1
            self.gap()
            return
        apart = "\n" in self.text[start : self.at] or (
            self.text[start - 1] in "}]" and self.peek() in ("{", "[")
        )
        if not apart and (place == "item" or self.at == start):
            self.refuse("a comma is missing")
        self.notes["commas added"] = None

    def close(self, bracket: str) -> None:
        """The end of an object or array: its bracket, or the end of the text in its place."""
        self.gap()
        if self.peek() == ",":
            self.at += 1
            self.gap()
            self.notes["trailing commas removed"] = None
        self.out.append(bracket)
        if self.peek() == bracket:
            self.at += 1
            return
        rest = CLOSERS.match(self.text, self.at)
        if rest is None or rest.end() != len(self.text):
            self.refuse("what is there is ambiguous")
        self.at = len(self.text)
        self.closed = True
        self.notes["brackets closed at the end"] = None

    def gap(self) -> None:
        """Over white space and comments."""
        found = GAP.match(self.text, self.at)
        assert found is not None
        plain = SPACE.match(self.text, self.at)
        assert plain is not None
        if plain.end() != found.end():
            words = found.group()
            comment = any(sign in words for sign in ("//", "/*", "#"))
            self.notes["comments removed" if comment else "white space replaced"] = None
        self.at = found.end()

    def key(self, key: object) -> None:
        if not isinstance(key, str):
            self.refuse("what is there is ambiguous")
        if self.peek() in CLOSING:
            self.out.append(_encode(self.quoted(key, "key")))
            return
        found = BARE_KEY.match(self.text, self.at)
        if found is None or found.group() != key:
            self.refuse("a key is ambiguous")
        self.at = found.end()
        if self.peek() in ('"', "'"):
            self.at += 1
        self.notes["keys quoted"] = None
        self.out.append(_encode(key))

    def quoted(self, value: str, place: str) -> str:
        """A string in quotes of any kind. What it says has to be `value`."""
        text, opening = self.text, self.text[self.at]
        closing, as_end = CLOSING[opening], AS_END[place]
        at, done, odd = self.at + 1, 0, False
        self.unknown = self.doubtful = False
        while done < len(value):
            char = text[at : at + 1]
            if char == "\\":
                at, done = self.escape(at, value, done)
                continue
            if char != value[done]:
                self.refuse("a string is ambiguous" if char else "it ends inside a string", at)
            if char == closing:
                if as_end.match(text, at + 1):
                    self.refuse("it is unclear where a string ends", at)
                if not (closing in "'\u2019" and _letter(text, at - 1) and _letter(text, at + 1)):
                    odd = self.inner_quote(at, opens=not odd)
                self.notes["quotes escaped"] = None
            elif char < " ":
                self.notes["control characters escaped"] = None
            at += 1
            done += 1
        trailing, at = self.trailing(at)
        value += trailing
        if text[at : at + 1] != closing or odd:
            at_end = at >= len(text)
            why = "it ends inside a string" if at_end else "it is unclear where a string ends"
            self.refuse(why, at)
        if self.unknown and self.doubtful:
            self.refuse("an escape is ambiguous", at)
        if opening != '"':
            self.notes["quotes replaced"] = None
        self.at = at + 1
        return characters(value)

    def trailing(self, at: int) -> tuple[str, int]:
        """White space at the end of a string, which the proposal may have lost."""
        blank = BLANK.match(self.text, at)
        if blank is None:
            return "", at
        said = blank.group()
        self.doubtful |= "\\" in said
        if any(char < " " for char in said):
            self.notes["control characters escaped"] = None
        for letter in "nrt":
            said = said.replace(f"\\{letter}", ESCAPES[letter])
        return said, blank.end()

    def inner_quote(self, at: int, *, opens: bool) -> bool:
        """Whether a bare quote inside a string opens a quotation; else it closes one."""
        before, after = self.text[at - 1 : at], self.text[at + 1 : at + 2]
        if (opens and (before.isalnum() or after.isspace())) or (not opens and before.isspace()):
            self.refuse("it is unclear where a string ends", at)
        return opens

    def escape(self, at: int, value: str, done: int) -> tuple[int, int]:
        """Over one escape; an unknown one is text, and its backslash stays."""
        text, letter = self.text, self.text[at + 1 : at + 2]
        says, length = ESCAPES.get(letter, ""), 2
        if letter == "u":
            says, length = unicode_escape(text, at)
            if not says and hex_digits(text, at + 2, 1):
                self.refuse("an escape is ambiguous", at)
        self.doubtful |= letter in ("b", "f", "n", "r", "t")
        if letter in ("\n", "\r"):  # JavaScript goes on in the next line, others break it
            self.refuse("an escape is ambiguous", at)
        if not says:
            self.notes["escapes mended"] = None
            if letter == "'":
                says = letter
            elif letter == "x" and (digits := hex_digits(text, at + 2, 2)):
                says, length = chr(int(digits, 16)), 4
            else:
                says, length = "\\", 1
                self.unknown = True
        if letter and not value.startswith(says, done):
            says = halves(says)
        if not letter or not value.startswith(says, done):
            self.refuse("an escape is ambiguous" if letter else "it ends inside a string", at)
        return at + length, done + len(says)

    def word(self, value: object) -> None:
        """A literal, or a string without quotes."""
        found = WORD.match(self.text, self.at)
        if found is None:
            self.refuse("what is there is ambiguous")
        word = found.group().rstrip()
        end = self.at + len(word)
        constant = CONSTANTS.get(word)
        if constant is not None:
            self.at = end
            self.out.append(constant)
            if word not in JSON_LITERALS:
                self.notes["literals replaced"] = None
        elif value != word:
            self.refuse("what is there is ambiguous")
        elif end == len(self.text) or _may_be_literal(word):
            self.refuse("a word is ambiguous, or cut off")
        else:
            self.at = end + (self.text[end] == '"')
            self.out.append(_encode(word))
            self.notes["values quoted"] = None
        self.delimited()

    def number(self) -> None:
        found = NUMBER.match(self.text, self.at)
        if found is not None and _ends(self.text, found.end()):
            number = found.group()
        else:
            found = LOOSE_NUMBER.match(self.text, self.at)
            assert found is not None
            number = plain_number(found.group())
            if not number:
                self.refuse("a number is ambiguous")
            self.notes["numbers mended"] = None
        self.at = found.end()
        if self.at == len(self.text):
            self.refuse("it ends with a number that may be cut off")
        self.delimited()
        self.out.append(number)

    def delimited(self) -> None:
        if not _ends(self.text, self.at):
            self.refuse("what is there is ambiguous")

    def peek(self) -> str:
        return self.text[self.at : self.at + 1]

    def refuse(self, why: str, at: int | None = None) -> NoReturn:
        at = self.at if at is None else at
        if at >= len(self.text) and "cut" not in why and "ends" not in why:
            raise UnclearError("it ends too early")
        raise UnclearError(f"{why} (at character {at + 1} of the value)")


def _may_be_literal(word: str) -> bool:
    """Whether a word is the beginning of a literal; two letters, such as `no`, are a word."""
    return len(word) != 2 and any(one.startswith(word.lower()) for one in LITERALS)


def _ends(text: str, at: int) -> bool:
    return at >= len(text) or DELIMITED.match(text, at) is not None


def _letter(text: str, at: int) -> bool:
    return text[at : at + 1].isalpha()
