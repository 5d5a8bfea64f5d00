"""Reading the caller's key from a request, and telling near-misses apart."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import parse_qs

from callgate.core.keys import region_of
from callgate.errors import GatewayError

UNAUTHORIZED = "Unauthorized - Invalid or missing API key"

_NEAR_MISSES = (
    b"authorisation",
    b"authentication",
    b"x-api-key",
    b"api-key",
    b"apikey",
    b"x-goog-api-key",
    b"proxy-authorization",
    b"x-authorization",
    b"token",
)
_QUERY_NAMES = ("key", "api_key", "apikey", "api-key", "token", "access_token", "authorization")


def read_key(headers: Mapping[bytes, bytes], query: bytes) -> str:
    """The key as sent: `Authorization: <key>`, or `Bearer <key>` as OpenAI's SDKs send it.

    Raises GatewayError `unauthorized` with a fix that names what was probably meant.
    """
    value = headers.get(b"authorization")
    if not value:
        raise refusal(_fix_for_missing(headers, query))
    text = value.decode("latin-1").strip()
    scheme, _, rest = text.partition(" ")
    return rest.strip() if rest and scheme.lower() == "bearer" else text


def check_region(key: str, region: str, endpoints: Mapping[str, str]) -> None:
    """Refuse what cannot be a key of this region, by its form alone.

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


def refusal(fix: str | None = None) -> GatewayError:
    """The one answer to every invalid key; it does not tell unknown from revoked."""
    return GatewayError("unauthorized", UNAUTHORIZED, fix=fix)


def _fix_for_missing(headers: Mapping[bytes, bytes], query: bytes) -> str | None:
    for name in _NEAR_MISSES:
        if name in headers:
            return (
                f"A header {name.decode()!r} was sent; send the key in `Authorization: <key>` "
                "instead."
            )
    names = parse_qs(query[:4096].decode("latin-1"), max_num_fields=None).keys()
    if any(name.lower() in _QUERY_NAMES for name in names):
        return (
            "A key in the query string is never accepted, because URLs end up in logs. Send it "
            "in the header `Authorization: <key>`, and revoke the one that was exposed."
        )
    return None


def _fix_for_malformed(key: str) -> str | None:
    scheme = key.partition(" ")[0].lower()
    if scheme in ("basic", "token", "key", "apikey", "digest"):
        return f"The scheme {scheme!r} is not known; send `Authorization: <key>` or `Bearer <key>`."
    if key.startswith("cg_"):
        return "The key is incomplete or mistyped: its checksum does not match. Copy it anew."
    if key.startswith(("sk-", "AIza", "gsk_", "xai-")):
        return "This looks like a provider's key. Send a key of this gateway; it begins with 'cg_'."
    if key[:1] in "\"'<{":
        return "Send the bare key, without quotes or brackets."
    return None
