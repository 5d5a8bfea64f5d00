"""Blots secrets out of bytes that are kept, without changing their length or their shape.

What is blotted stays as long as it was, in the same places between separators, under the same
prefix (`sk-`, `Bearer `). So framing, lengths and JSON stay sound, and whatever the gateway does
with a text it does with the blotted one alike: a replay from blotted bytes gives blotted bytes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from urllib.parse import quote

from callgate.core.secret import Secret

SHORTEST = 8
"""A known secret of fewer characters might be a part of any word."""

_FILLS = (b"Xx0", b"XX0", b"xx0")  # both cases, no lower case, no upper case
# An escape of JSON is passed over, that it stays one.
_BLOTTABLE = re.compile(rb"\\u[0-9A-Fa-f]{4}|\\.|[A-Za-z0-9]", re.DOTALL)

# Where a word may begin: also behind an escape of JSON, such as the n of a line break.
_START = rb"(?:(?<![A-Za-z0-9])|(?<=\\[nrtbf])|(?<=\\u[0-9A-Fa-f]{4}))"

CREDENTIALS = re.compile(
    rb"""
      %(start)s(?P<scheme>(?i:Bearer|Basic)\s+)                       # RFC 6750, RFC 7617
        (?:(?=[A-Za-z._~+/=-]*[0-9])[A-Za-z0-9._~+/=-]{8,}|[A-Za-z0-9._~+/=-]{20,})
    | %(start)s(?P<token>eyJ)[A-Za-z0-9_-]{8,2000}+\.[A-Za-z0-9_.-]{8,}  # RFC 7519, a signed token
    | %(start)s(?P<vendor>(?:sk|pk|rk|gsk|xai|cg|csk|hf|fw|tgp|nvapi|r8|glpat|xox[abeoprs])[-_])
        (?:(?=[A-Za-z_*-]*[0-9])[A-Za-z0-9_*-]{12,}|[A-Za-z0-9_*-]{20,})
    | %(start)s(?P<github>gh[opsur]_|github_pat_)[A-Za-z0-9_]{12,}
    | %(start)s(?P<aws>AKIA|ASIA)[A-Z0-9]{12,}                        # AWS access key ids
    | %(start)s(?P<google>AIza|ya29\.)[A-Za-z0-9_.-]{16,}             # Google keys and tokens
    | (?:(?<![A-Za-z0-9+/=_-])|(?<=\\[nrtbf]))(?P<secret>)             # AWS secret access keys
        (?=(?:[^0-9]{0,39})[0-9])(?=[A-Za-z0-9+/]{40}(?![A-Za-z0-9+/=_-]))
        (?=[^A-Z]{0,39}[A-Z])(?=[^a-z]{0,39}[a-z])[A-Za-z0-9+/]{40}
    | (?P<pem>-----BEGIN\ [A-Z ]{0,20}PRIVATE\ KEY-----)              # RFC 7468
        (?:\\[nr]|[A-Za-z0-9+/=\s]){16,8192}
    | (?P<named>(?i:api[-_]?key|secret[-_]?(?:access[-_]?)?key|client[-_]?secret|access[-_]?token
        |passw(?:or)?d)(?:\\*["'])?\s{0,4}(?:[:=]\s{0,4}\\*["']|=))
        [^\s"'\\&,;<>{}\[\]]{8,}
    | (?P<query>[?&](?i:key|token|sig|signature|code)=)[^\s"'\\&<>{}\[\]]{8,}
    """
    % {b"start": _START},
    re.VERBOSE,
)
"""What has the shape of a credential, for sure enough to be blotted out of what people wrote."""

# By what `core.redact` too knows a secret, where there is none of the above around it.
_PREFIX = re.compile(
    rb"(?:sk|pk|rk|gsk|xai|cg|csk|hf|fw|tgp|nvapi|r8|glpat|xox[abeoprs]|gh[opsur]|github_pat)[-_]"
    rb"|AKIA|ASIA|AIza|ya29\.|eyJ"
)

# Text that streams come in pieces of, each under the same name.
_PIECES = re.compile(
    rb'"(content|text|arguments|partial_json|reasoning|reasoning_content|thinking|input|refusal)"'
    rb'\s*:\s*"((?:[^"\\]|\\.)*)"'
)
_SLICE = 16 * 1024
_REACH = 10 * 1024
"""Bytes of a slice, and how far beyond its end a credential is followed that begins in it."""


def known(secrets: Iterable[Secret]) -> tuple[bytes, ...]:
    """Secrets in every form in which bytes may hold them: plain, escaped for JSON and for URLs."""
    forms: dict[bytes, None] = {}
    for secret in secrets:
        value = secret.reveal()
        if len(value) >= SHORTEST:
            for form in (value, value.replace("/", r"\/"), quote(value, safe="")):
                forms[form.encode()] = None
    return tuple(sorted(forms, key=len, reverse=True))


def _blot(secret: bytes, keep: int) -> bytes:
    """As long as the secret, alike but for letters and digits from `keep` on."""
    places = [match.start() for match in _BLOTTABLE.finditer(secret, keep) if len(match[0]) == 1]
    letters = bytes(secret[at] for at in places if not 48 <= secret[at] <= 57)
    fill = _FILLS[1 if letters.isupper() else 2 if letters.islower() else 0]
    blotted = bytearray(secret)
    for number, at in enumerate(places):
        blotted[at] = fill[number % 3]
    return bytes(blotted)


def blot_known(secret: bytes) -> bytes:
    """A known secret blotted out, under the prefix that says whose it is."""
    return _blot(secret, _begins(secret, 0))


def scrub(data: bytes, secrets: Sequence[bytes] = ()) -> bytes:
    """The bytes without these secrets and without what has the shape of one; of the same length.

    `secrets` are as `known` gives them. For large data use `slices`, to give way in between.
    """
    return CREDENTIALS.sub(_blotted, _without(data, secrets))


def slices(data: bytes, secrets: Sequence[bytes] = ()) -> Iterator[bytes]:
    """The bytes as `scrub` gives them, in slices of about 16 KiB, each when it is asked for."""
    data = _without(data, secrets)
    at = 0
    while at < len(data):
        end = at + _SLICE
        parts: list[bytes] = []
        for match in CREDENTIALS.finditer(data, at, end + _REACH):
            if match.start() >= end:
                break
            parts += (data[at : match.start()], _blotted(match))
            at = match.end()
        parts.append(data[at:end])
        at = max(at, end)
        yield b"".join(parts)


def scrub_spread(data: bytes, secrets: Sequence[bytes] = ()) -> bytes:
    """A stream of JSON events without the secrets that its texts bring spread over several."""
    texts: dict[bytes, list[tuple[int, int]]] = {}
    for match in _PIECES.finditer(data):
        texts.setdefault(match[1], []).append(match.span(2))
    blotted = None
    for spans in texts.values():
        text = b"".join([data[start:end] for start, end in spans])
        safe = scrub(text, secrets)
        if safe == text:
            continue
        blotted = bytearray(data) if blotted is None else blotted
        at = 0
        for start, end in spans:
            blotted[start:end] = safe[at : at + end - start]
            at += end - start
    return data if blotted is None else bytes(blotted)


def credentials_in(data: bytes, secrets: Sequence[bytes] = ()) -> Iterator[tuple[int, int, str]]:
    """Where credentials stand that nobody has blotted out: start, end, kind of each."""
    for secret in secrets:
        at = data.find(secret)
        while at >= 0:
            yield at, at + len(secret), "known"
            at = data.find(secret, at + 1)
    for match in CREDENTIALS.finditer(data):
        if _blotted(match) != match[0]:
            yield match.start(), match.end(), match.lastgroup or ""


def _without(data: bytes, secrets: Sequence[bytes]) -> bytes:
    for secret in secrets:
        if secret in data:
            data = data.replace(secret, blot_known(secret))
    return data


def _blotted(match: re.Match[bytes]) -> bytes:
    kept = match[match.lastgroup or 0]
    return _blot(match[0], _begins(match[0], len(kept)))


def _begins(secret: bytes, at: int) -> int:
    """Where what is secret begins, behind a prefix that may stand at `at`."""
    prefix = _PREFIX.match(secret, at)
    return at if prefix is None else prefix.end()
