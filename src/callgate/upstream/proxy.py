"""Which proxy, if any, leads to an origin."""

from __future__ import annotations

from base64 import b64encode
from ipaddress import ip_address, ip_network
from urllib.parse import unquote, urlsplit

from msgspec import Struct

from callgate.core.http import Origin
from callgate.core.secret import Secret, secrets_of_url

_PORTS = {"http": 80, "https": 443}


class Proxy(Struct, frozen=True):
    """A forward proxy. `authorization` is the value of `Proxy-Authorization`, or empty.

    `secrets` are the password that its URL holds, and what is made of it.
    """

    origin: Origin
    authorization: Secret
    secrets: tuple[Secret, ...] = ()


class Bypass(Struct, frozen=True):
    """One entry of NO_PROXY: `host` is a name, an address, a network or `*`; port 0 means any."""

    host: str
    port: int = 0

    def matches(self, origin: Origin) -> bool:
        """Whether the entry exempts `origin`: itself, its domain or its network."""
        if self.port and self.port != origin.port:
            return False
        host = origin.host.lower().rstrip(".")
        if self.host in ("*", host) or host.endswith(f".{self.host}"):
            return True
        try:
            return ip_address(host) in ip_network(self.host, strict=False)
        except (ValueError, TypeError):
            return False


class Proxies(Struct, frozen=True, kw_only=True):
    """The proxy per scheme of the target, and the targets that are reached directly."""

    http: Proxy | None = None
    https: Proxy | None = None
    bypass: tuple[Bypass, ...] = ()

    def find(self, origin: Origin) -> Proxy | None:
        """The proxy for `origin`, or None for a direct connection."""
        if any(entry.matches(origin) for entry in self.bypass):
            return None
        return self.https if origin.scheme == "https" else self.http


def parse_proxies(*, http: str = "", https: str = "", all: str = "", no: str = "") -> Proxies:  # noqa: A002
    """Read the values of HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY; empty means unset.

    Raises ValueError, whose message shows no credentials.
    """
    return Proxies(
        http=_proxy(http or all), https=_proxy(https or all), bypass=tuple(_bypasses(no))
    )


def _proxy(url: str) -> Proxy | None:
    if not url.strip():
        return None
    url = url if "://" in url else f"http://{url}"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ValueError("a proxy's URL has a malformed host or port") from None
    if parts.scheme not in _PORTS:
        raise ValueError(f"a proxy's URL starts with http:// or https://, not {parts.scheme}://")
    if not parts.hostname:
        raise ValueError("a proxy's URL has no host")
    origin = Origin(parts.scheme, parts.hostname, port or _PORTS[parts.scheme])
    if parts.username is None:
        return Proxy(origin, Secret(""))
    pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    token = b64encode(pair.encode()).decode()
    return Proxy(origin, Secret(f"Basic {token}"), (Secret(token), *secrets_of_url(url)))


def _bypasses(text: str) -> list[Bypass]:
    return [_bypass(entry) for entry in text.lower().replace(",", " ").split()]


def _bypass(entry: str) -> Bypass:
    port = ""
    if entry.startswith("["):
        host, _, port = entry[1:].partition("]")
        port = port.removeprefix(":")
    elif entry.count(":") == 1:
        host, _, port = entry.partition(":")
    else:
        host = entry
    return Bypass(host.removeprefix("*.").strip("."), int(port) if port.isdecimal() else 0)
