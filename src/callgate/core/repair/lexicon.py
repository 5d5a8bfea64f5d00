"""The lexicon of JSON as models write it: quotes, words, numbers and escapes beyond RFC 8259."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

CLOSING: Mapping[str, str] = MappingProxyType(
    {'"': '"', "'": "'", "\u201c": "\u201d", "\u2018": "\u2019"}
)
ESCAPES: Mapping[str, str] = MappingProxyType(
    {'"': '"', "\\": "\\", "/": "/", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
)
CONSTANTS: Mapping[str, str] = MappingProxyType(
    {"true": "true", "false": "false", "null": "null", "True": "true", "False": "false",
     "None": "null", "NaN": "null", "undefined": "null"}
)  # fmt: skip
"""NaN becomes null as in ECMAScript (https://tc39.es/ecma262/#sec-serializejsonproperty)."""

JSON_LITERALS = frozenset({"true", "false", "null"})
LITERALS = ("true", "false", "null", "none", "nan", "undefined", "infinity", "inf")
GAP = re.compile(r"(?:[\s\ufeff\u200b]+|//[^\n]*\n|#[^\n]*\n|/\*.*?\*/)*", re.DOTALL)
SPACE = re.compile(r"[ \t\r\n]*")
BLANK = re.compile(r"(?:\s|\\[nrt])+")
SURROGATE = re.compile("[\ud800-\udfff]")
CLOSERS = re.compile(r"[\s\]}]*")
NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
LOOSE_NUMBER = re.compile(
    r"[+-]?(?:0|[1-9][0-9]*(?:_[0-9]+)*)?(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?", re.ASCII
)
WORD = re.compile(r"[^\W\d][\w$.@ -]*")
BARE_KEY = re.compile(r"[\w$-]+")
DELIMITED = re.compile(r"[\s,}\]]|//|/\*|#")
_HEX = re.compile(r"[0-9a-fA-F]+")

# A bare quote inside a string is part of it only if it could not as well be the string's end.
# White space is taken possessively: where it could be shared out, a long run takes minutes.
_OPENS = "[\"'\u201c\u2018]"
_NEXT_LINE = r"[^\S\n]*+\n\s*+"
AS_END: Mapping[str, re.Pattern[str]] = MappingProxyType(
    {
        "key": re.compile(r"\s*+(?:[:,}\]]|$)"),
        "member": re.compile(
            rf"\s*+(?:[}}\]]|$|/[/*]|#|,\s*+(?:$|[}}\]/#]|{_OPENS}|[\w$-]++\s*+:))"
            rf"|{_NEXT_LINE}{_OPENS}"
        ),
        "item": re.compile(
            rf"\s*+(?:[}}\]]|$|/[/*]|#|,\s*+(?:$|[}}\]\[{{/#\d-]|{_OPENS}"
            rf"|(?:true|false|null|True|False|None)\b))|{_NEXT_LINE}(?:{_OPENS}|[\[{{])"
        ),
    }
)


def plain_number(text: str) -> str:
    """The number as JSON writes it; empty where there are no digits."""
    text = text.removeprefix("+").replace("_", "")
    sign = "-" if text.startswith("-") else ""
    mantissa, e, exponent = re.sub("[eE]", "e", text.removeprefix("-")).partition("e")
    whole, _, fraction = mantissa.partition(".")
    if not whole and not fraction:
        return ""
    return f"{sign}{whole or '0'}{'.' if '.' in mantissa else ''}{_fraction(mantissa)}{e}{exponent}"


def _fraction(mantissa: str) -> str:
    _, point, fraction = mantissa.partition(".")
    return (fraction or "0") if point else ""


def halves(character: str) -> str:
    """The pair of surrogates that stands for a character beyond U+FFFF; any other as it is."""
    code = ord(character[0]) - 0x10000
    if code < 0:
        return character
    return chr(0xD800 + (code >> 10)) + chr(0xDC00 + (code & 0x3FF))


def characters(text: str) -> str:
    """The text with each pair of surrogates made the character that it stands for."""
    if text.isascii() or not SURROGATE.search(text):
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def hex_digits(text: str, at: int, length: int) -> str:
    """The `length` hexadecimal digits that stand there; empty where there are fewer."""
    digits = text[at : at + length]
    return digits if len(digits) == length and _HEX.fullmatch(digits) else ""


def unicode_escape(text: str, at: int) -> tuple[str, int]:
    r"""What `\uXXXX`, or a pair of them, stands for; nothing where it stands for no character."""
    high = int(hex_digits(text, at + 2, 4) or "-1", 16)
    if 0xD800 <= high < 0xDC00 and text[at + 6 : at + 8] == "\\u":
        low = int(hex_digits(text, at + 8, 4) or "-1", 16)
        if 0xDC00 <= low < 0xE000:
            return chr(0x10000 + ((high - 0xD800) << 10) + low - 0xDC00), 12
    if high < 0 or 0xD800 <= high < 0xE000:
        return "", 2
    return chr(high), 6
