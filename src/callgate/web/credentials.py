"""Reading the caller's key from a request, and telling near-misses apart."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import chain
from urllib.parse import parse_qs

from callgate.core.keys import region_of
from callgate.errors import GatewayError

UNAUTHORIZED = "Unauthorized - Invalid or missing API key"

SEVERAL = b","
"""The value of `Authorization` for a request that has more than one: none of them counts.

Servers differ in which of two they use, so a proxy on the way may have checked another key than
the one that would be charged.
"""

_NEAR_MISSES = (
    b"x-api-key",
    b"api-key",
    b"apikey",
    b"x-goog-api-key",
    b"proxy-authorization",
    b"x-authorization",
    b"x-auth-token",
    b"x-access-token",
    b"x-callgate-key",
    b"token",
)
_BEGINNING, _LONGEST = b"auth", 20  # of a misspelling; there is no other such header
_NO_KEY = (
    "`Authorization` was sent without a key: is the variable empty that should hold it? Send "
    "`Authorization: <key>`."
)
_SEVERAL = (
    "`Authorization` was sent more than once, so it is unclear which key is meant. Send it "
    "once; a proxy on the way may add one of its own."
)
_MISTAKES = tuple(
    (re.compile(form, re.IGNORECASE), fix)
    for form, fix in (
        (r"bearer|undefined|null|none", _NO_KEY),
        (
            r"(basic|token|key|apikey|digest)( .*)?",
            "The scheme '{0}' is unknown; send `Authorization: <key>` or `Bearer <key>`.",
        ),
        (
            r"[$%{](?!.*cg_).*",
            "The name of a variable was sent in place of its value. Send the key itself.",
        ),
        (r"[\"'<{].*", "Send the bare key, without quotes or brackets."),
        (
            r"(sk-|AIza|gsk_|xai-).*",
            "This looks like a provider's key. Send a key of this gateway; it begins with 'cg_'.",
        ),
        (
            r"cg_[^\s,:;=]*",
            "The key is incomplete or mistyped: its checksum does not match. Copy it again.",
        ),
        (
            r".*cg_.*",
            "More than the key was sent; send `Authorization: <key>` and nothing else.",
        ),
        (
            r".*",
            "This is not a key of this gateway, whose keys begin with 'cg_'. Send one of those.",
        ),
    )
)
"""What callers send instead of a key, and the fix; the first match counts."""
_QUERY_NAMES = ("key", "api_key", "apikey", "api-key", "token", "access_token", "authorization")


def read_key(headers: Mapping[bytes, bytes], query: bytes) -> str:
    """The key as sent: `Authorization: <key>`, or `Bearer <key>` as OpenAI's SDKs send it.

    Raises GatewayError `unauthorized` with a fix that names what was probably meant.
    """
    value = headers.get(b"authorization")
    if not value:
        raise refusal(_fix_for_missing(headers, query))
    if value == SEVERAL:
        raise refusal(_SEVERAL)
    text = value.decode("latin-1").strip()
    scheme, _, rest = text.partition(" ")
    return rest.strip() if rest and scheme.lower() == "bearer" else text


def check_region(key: str, region: str, endpoints: Mapping[str, str]) -> None:
    """Refuse whatever cannot be a key of this region, judging by its form alone.

    Raises GatewayError `unauthorized` (malformed) or `wrong_region_key`.
    """
    found = region_of(key)
    if found == region:
        return
    if found is None:
        raise refusal(_fix_for_malformed(key))
    endpoint = endpoints.get(found)
    where = f" Its endpoint is {endpoint}." if endpoint else ""
    raise GatewayError(
        "wrong_region_key",
        f"This key belongs to region {found!r}, this endpoint serves {region!r}.{where}",
        fix=f"Use the endpoint {endpoint} or a key of region {region!r}." if endpoint else None,
    )


def invalid(why: str) -> GatewayError:
    """The error for a well-formed key that is not valid; only the operator is told `why`."""
    return refusal(
        "The key is unknown here, has expired or was revoked: ask the operator for a new one.", why
    )


def refusal(fix: str | None = None, detail: str | None = None) -> GatewayError:
    """The error for a key that is not accepted; its message is always the same."""
    return GatewayError("unauthorized", UNAUTHORIZED, fix=fix, detail=detail)


def _fix_for_missing(headers: Mapping[bytes, bytes], query: bytes) -> str | None:
    misspelt = (
        name
        for name in headers
        if name.startswith(_BEGINNING) and name != b"authorization" and len(name) <= _LONGEST
    )
    found = next(chain(misspelt, (name for name in _NEAR_MISSES if name in headers)), None)
    if found is not None:
        return (
            f"A header {found.decode('ascii', 'replace')!r} was sent; send the key in "
            "`Authorization: <key>` instead."
        )
    names = parse_qs(query[:4096].decode("latin-1"), max_num_fields=None).keys()
    if any(name.lower() in _QUERY_NAMES for name in names):
        return (
            "A key in the query string is never accepted, because URLs end up in logs. Send it "
            "in the header `Authorization: <key>`, and revoke the one that was exposed."
        )
    return _NO_KEY if b"authorization" in headers else None


def _fix_for_malformed(key: str) -> str | None:
    for form, fix in _MISTAKES:
        match = form.fullmatch(key)
        if match is not None:
            return fix.format(*(part.lower() for part in match.groups("")))
    return None
