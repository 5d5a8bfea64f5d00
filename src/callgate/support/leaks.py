"""Values and files without secrets, and the search for those that slipped through."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from callgate.core.redact import MASK, redact
from callgate.core.scrub import CREDENTIALS, credentials_in, known
from callgate.core.secret import Secret

IDS = frozenset({"request_id", "provider_request_id", "prompt_sha256", "sha256"})
"""Fields that hold long opaque words by right; only what is surely a credential goes from them."""

_SECRET_FIELD = re.compile(
    r"(?i)(api[-_]?key|access[-_]?key[-_]?id|secret[-_]?(access[-_]?)?key|client[-_]?secret"
    r"|(access|session)[-_]?token|authorization|passw(or)?d)$|^token$"
)
_USER_INFO = re.compile(r"//[^/@\s]+@")
_MAX_DEPTH = 100


class Leak(NamedTuple):
    """Where something secret, or what looks like it, stands; never the thing itself."""

    file: str
    line: int
    kind: str


class Redactor:
    """Takes these secrets, and whatever has the shape of one, out of values."""

    def __init__(self, secrets: Sequence[Secret]) -> None:
        self._secrets = tuple(secrets)
        self._known = known(secrets)

    def text(self, text: str) -> str:
        """The text without secrets."""
        safe = redact(_USER_INFO.sub(f"//{MASK}@", text), self._secrets)
        return CREDENTIALS.sub(_masked, safe.encode("utf-8", "replace")).decode()

    def value(self, value: Any, field: str = "", depth: int = 0) -> Any:
        """A value as JSON has it, with every string in it redacted, names of fields too."""
        if isinstance(value, str):
            return self._string(value, field)
        if isinstance(value, Mapping | list | tuple) and depth > _MAX_DEPTH:
            return MASK
        if isinstance(value, Mapping):
            return {
                self.text(str(name)): self.value(one, str(name), depth + 1)
                for name, one in value.items()
            }
        if isinstance(value, list | tuple):
            return [self.value(one, field, depth + 1) for one in value]
        return value

    def leaks(self, file: str, data: bytes) -> Iterator[Leak]:
        """What of a file should not be there."""
        found = False
        for at, _, kind in credentials_in(data, self._known):
            found = True
            line = data.count(b"\n", 0, at) + 1
            yield Leak(file, line, "a known secret" if kind == "known" else f"a credential: {kind}")
        if found:
            return
        if file.endswith(".json"):
            value = _decoded(data)
            if self.value(value) != value:
                yield Leak(file, 1, "what looks like a secret")
            return
        text = data.decode("utf-8", "replace")
        safe = self.text(text)
        if safe != text:
            pairs = zip(text.splitlines(), safe.splitlines(), strict=False)
            line = next((number for number, (a, b) in enumerate(pairs, 1) if a != b), 1)
            yield Leak(file, line, "what looks like a secret")

    def _string(self, value: str, field: str) -> str:
        if value and _SECRET_FIELD.search(field):
            return MASK
        if field in IDS:
            return MASK if self._leaks(value) else value
        return self.text(value)

    def _leaks(self, text: str) -> bool:
        return any(credentials_in(text.encode("utf-8", "replace"), self._known))


def _decoded(data: bytes) -> Any:
    try:
        return msgspec.json.decode(data)
    except (ValueError, RecursionError):
        return data.decode("utf-8", "replace")


def _masked(match: re.Match[bytes]) -> bytes:
    return match[match.lastgroup or 0] + MASK.encode()
