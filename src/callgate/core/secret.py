"""A string that does not show itself."""

from __future__ import annotations

import re
from urllib.parse import unquote


class Secret:
    """Holds a credential; only `reveal()` gives it out, so no repr, log or dump contains it."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The credential itself. Every call of this is a place to look at in a review."""
        return self._value

    def __bool__(self) -> bool:
        return bool(self._value)

    def __repr__(self) -> str:
        return "Secret(***)"

    def __str__(self) -> str:
        return repr(self)


def secrets_of_url(url: str) -> tuple[Secret, ...]:
    """The password in a URL, as it is written there and as it is meant.

    Takes what may be no URL: all from the first colon after `//` to the last `@`, and what follows
    `password=` in the query.
    """
    _, _, rest = url.partition("://")
    userinfo, at, _ = rest.rpartition("@")
    _, _, password = userinfo.partition(":")
    written = [password] if at else []
    written += re.findall(r"[?&]password=([^&#]+)", url)
    texts = [text for one in written for text in (one, unquote(one)) if text]
    return tuple(Secret(text) for text in dict.fromkeys(texts))
