"""Repairs JSON as models write it: the same data as sound JSON, or a refusal; never a guess.

The package `json-repair` (https://github.com/mangiucugna/json_repair) proposes what a text may
mean; `core/repair/witness.py` accepts that only if the text says so and says nothing else.

Repaired: fences and prose around one value, comments, trailing and missing commas, quotes of other
kinds, missing quotes around keys and words, Python's literals, NaN and undefined (null), numbers
such as `.5`, bare quotes inside strings, wrong escapes, raw control characters, text that was
escaped once too often, and brackets that are missing at the end.

Refused: no value or more than one, a text that ends inside a string, a number, a word or a key (it
may have been cut there), Infinity, omissions (`...`), the same key twice, leading zeros, other
languages' numbers, and whatever can be read in two ways.
"""

from __future__ import annotations

import json
import re
from typing import NamedTuple, NoReturn

from callgate.core.repair.lexicon import SURROGATE
from callgate.core.repair.meter import Meter, SpentError
from callgate.core.repair.witness import UnclearError, prove
from callgate.errors import GatewayError

MAX_BROKEN = 64 * 1024
"""The longest text, in characters, whose repair is tried; sound JSON may be longer."""

_FENCE = "```"
_BLANK = " \t\r\n\ufeff\u00a0\u200b"
_OPENING = re.compile(r"```[ \t]*[\w+-]*[ \t]*\r?\n?")
_THOUGHT = re.compile(r"\s*<think>.*?</think>", re.DOTALL)
_BRACKET = re.compile(r"[\[{]")
_DATA = re.compile(r"[\[\]{}]|[\"']\s*:|^\s*[,:\"']")
_ESCAPED = re.compile(r"[\[{\s]*\\[nrt\"]")


class Repaired(NamedTuple):
    """`text` is JSON; `notes` say in fixed words what was repaired; none if unchanged."""

    text: str
    changed: bool
    notes: tuple[str, ...] = ()


def repair(text: str, what: str = "The text") -> Repaired:
    """The text as sound JSON; sound JSON comes back as it is, to the byte.

    `what` begins the message of a refusal. Raises GatewayError `unrepairable_json`. A long text
    that is broken takes seconds: keep it off the event loop.
    """
    if is_json(text):
        return Repaired(text, changed=False)
    try:
        if len(text) > MAX_BROKEN:
            raise UnclearError(f"it has more than {MAX_BROKEN} characters")
        mended, notes = _mend(text)
        if not is_json(mended):
            raise UnclearError("it makes no sense")
    except UnclearError as why:
        raise GatewayError(
            "unrepairable_json", f"{what} is not JSON and cannot be repaired: {why}"
        ) from None
    return Repaired(mended, changed=True, notes=tuple(dict.fromkeys(notes)))


def said_once(text: str) -> str | None:
    """The object or array that a text says more than once in the same words, and nothing else.

    None for any other text. A sequence of rows may look the same, so that this is for texts that
    have to be one value.
    """
    text = text.strip(_BLANK)
    if not _BRACKET.match(text):
        return None
    try:
        _, end = json.JSONDecoder().raw_decode(text)
    except (ValueError, RecursionError):
        return None
    one, rest = text[:end], text[end:]
    return one if rest and not rest.replace(one, "").strip(_BLANK) else None


def is_json(text: str) -> bool:
    """Whether the text is one JSON value (RFC 8259), without Python's own extensions."""
    try:
        json.loads(text, parse_constant=_refuse, parse_int=len, parse_float=len)
    except (ValueError, RecursionError):
        return False
    return True


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)


def _mend(text: str) -> tuple[str, list[str]]:
    notes: list[str] = []
    meter = Meter(len(text))
    thought = _THOUGHT.match(text)
    if thought is not None:
        text = text[thought.end() :]
        notes.append("prose removed")
    elif text.lstrip().startswith("<think>"):
        raise UnclearError("it ends inside the model's thoughts")
    body = text.lstrip(_BLANK)
    if not body:
        raise UnclearError("it is empty")
    if is_json(body.rstrip(_BLANK)):
        return body.rstrip(_BLANK), notes or ["white space replaced"]
    first = _BRACKET.search(body)
    fence = body.find(_FENCE)
    if fence >= 0 and (first is None or _is_prose(body, first.start(), fence)):
        mended, more = _fenced(body, fence, meter)
    elif first is None:
        raise UnclearError("it contains no object or array")
    else:
        mended, more = _among_prose(body, first.start(), meter)
    return mended, notes + more


def _is_prose(text: str, first: int, fence: int) -> bool:
    """Whether no value begins before the fence, be there a bracket as in `see [1]`."""
    return first > 0 and "{" not in text[:fence]


def _fenced(text: str, fence: int, meter: Meter) -> tuple[str, list[str]]:
    """The one fenced block; what stands outside may hold no further value."""
    opening = _OPENING.match(text, fence)
    assert opening is not None
    before, start = text[:fence], opening.end()
    end = text.rfind(_FENCE, start)
    body, after = (text[start:end], text[end + 3 :]) if end >= 0 else (text[start:], "")
    if "{" in after:
        raise UnclearError("it may hold more than one value")
    notes = ["fence removed"]
    if before.strip() or after.strip():
        notes.append("prose removed")
    if is_json(body.strip()):
        return body.strip(), notes
    body = body.lstrip()
    if not _BRACKET.match(body):
        raise UnclearError("it contains no object or array")
    mended, more = _read(body, meter)
    return mended, notes + more


def _among_prose(text: str, start: int, meter: Meter) -> tuple[str, list[str]]:
    """The value that begins at `start`, if only prose stands around it."""
    before = text[:start]
    if _DATA.search(before):
        raise UnclearError("it may hold more than one value")
    end = max(text.rfind("}"), text.rfind("]")) + 1
    after = text[end:]
    if after.strip() and not _DATA.search(after):
        try:
            mended, notes = _read(text[start:end], meter, whole=True)
        except UnclearError:
            if _looks_like_prose(after):
                raise
        else:
            return mended, _unwrapped(before, mended, after) + notes
    mended, notes = _read(text[start:], meter)
    return mended, (_unwrapped(before, mended, "") if before else []) + notes


def _unwrapped(before: str, mended: str, after: str) -> list[str]:
    """What is taken off around a value. Brackets in running text, such as `[1]`, are no value."""
    if not before.strip("` \n") and not after.strip("` \n;"):
        return ["fence removed" if "`" in before else "surplus at the end removed"]
    apart = not before.strip() or before.rstrip(" ").endswith((":", "\n"))
    apart = apart and (not after.strip() or after.lstrip(" ").startswith("\n"))
    if not mended.strip("[]{} \n") or (mended.startswith("[") and not apart):
        raise UnclearError("it contains no object or array of its own")
    return ["prose removed"]


def _looks_like_prose(text: str) -> bool:
    return '"' not in text and "'" not in text and len(text.split()) > 1


def _read(text: str, meter: Meter, *, whole: bool = False) -> tuple[str, list[str]]:
    """One value that begins where the text begins. `whole`: it has to have its own last bracket."""
    if is_json(text):
        return text.strip(), []
    if _ESCAPED.match(text):
        return _unescaped(text), ["escaping removed"]
    proposal = _propose(text, meter)
    if isinstance(proposal, list) and not text.startswith("["):
        raise UnclearError("it may hold more than one value, or none")
    proven = prove(text, proposal)
    rest = text[proven.end :]
    notes = proven.notes
    if whole and proven.closed:
        raise UnclearError("it ends too early")
    if rest.strip("]} \t\r\n;"):
        raise UnclearError(f"there is more after the value (at character {proven.end + 1})")
    if rest.strip():
        notes = [*notes, "surplus at the end removed"]
    return proven.text, notes


def _unescaped(text: str) -> str:
    """A text that was escaped as a whole, as in `{\\"a\\": 1}`."""
    try:
        plain = json.loads(f'"{text}"', strict=False)
    except ValueError:
        raise UnclearError("its escapes are ambiguous") from None
    if not is_json(plain) or SURROGATE.search(plain):
        raise UnclearError("its escapes are ambiguous")
    return str(plain)


def _propose(text: str, meter: Meter) -> object:
    from callgate.core.repair.proposal import propose

    try:
        return propose(text, meter)
    except SpentError:
        raise UnclearError("it would take too long") from None
    except ValueError:
        raise UnclearError("it is nested too deeply, or cannot be understood") from None
