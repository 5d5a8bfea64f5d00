"""Who asks through proxies: the address in `X-Forwarded-For` that may be believed.

https://developer.mozilla.org/en-US/docs/Web/HTTP/Reference/Headers/X-Forwarded-For
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_network,
)

FORWARDED_FOR = b"x-forwarded-for"
MOST_BYTES = 4096
"""The end of the header that is more than what is looked at."""

_MOST_HOPS = 32
_LONGEST = 64  # an IPv6 address in brackets with its port, and some room

_Networks = tuple[tuple[int, frozenset[int]], ...]


class TrustedProxies:
    """Proxies that are believed when they tell whom they ask for."""

    __slots__ = ("_v4", "_v6")

    def __init__(self, networks: Iterable[IPv4Network | IPv6Network]) -> None:
        found = list(networks)
        self._v4 = _by_length(network for network in found if network.version == 4)
        self._v6 = _by_length(network for network in found if network.version == 6)

    def trusts(self, peer: str) -> bool:
        """Whether the address at the other end of a connection is that of such a proxy."""
        try:
            return self._has(_address(peer.partition("%")[0]))  # behind it stands a link's name
        except ValueError:
            return False

    def caller(self, peer: str, header: bytes) -> str:
        """The address that asks, where `peer` is trusted and sent this `X-Forwarded-For`.

        Each proxy adds at the right whom it was asked by, so from there it is the first that is
        not trusted; what stands left of it may be anybody's invention. Where all are trusted, or
        one cannot be read, it is the last that was.
        """
        found = peer
        for element in _from_the_right(header):
            try:
                address = _address(_without_port(element))
            except ValueError:
                break
            found = str(address)
            if not self._has(address):
                break
        return found

    def _has(self, address: IPv4Address | IPv6Address) -> bool:
        number = int(address)
        networks = self._v4 if address.version == 4 else self._v6
        return any(number >> host in known for host, known in networks)


def networks_of(entry: str) -> list[IPv4Network | IPv6Network]:
    """The networks of an entry of `trusted_proxies`: one, or several with commas, or none.

    Raises ValueError, whose text tells what is wrong with it.
    """
    return [_network(text) for part in entry.split(",") if (text := part.strip())]


def _network(text: str) -> IPv4Network | IPv6Network:
    try:
        network = ip_network(text, strict=False)
    except ValueError:
        network = None
    if network is None or "%" in text:
        raise ValueError(
            "expected an address or a network such as 10.0.0.7, 10.0.0.0/8 or fd00::/8, "
            f"got {text[:50]!r}"
        )
    try:
        ip_network(text)
    except ValueError:
        raise ValueError(f"{text!r} is an address within a network, which is {network}") from None
    if isinstance(network, IPv6Network):
        mapped = network.network_address.ipv4_mapped
        if mapped is not None and network.prefixlen >= 96:
            return IPv4Network((mapped, network.prefixlen - 96))
    return network


def _by_length(networks: Iterable[IPv4Network | IPv6Network]) -> _Networks:
    """Networks of one kind, by the number of bits that they leave to hosts."""
    lengths: dict[int, set[int]] = {}
    for network in networks:
        host = network.max_prefixlen - network.prefixlen
        lengths.setdefault(host, set()).add(int(network.network_address) >> host)
    return tuple((host, frozenset(known)) for host, known in sorted(lengths.items()))


def _from_the_right(header: bytes) -> Iterator[str]:
    """The elements of the list, the last first: no more than there may be hops."""
    end = len(header)
    for _ in range(_MOST_HOPS):
        if end < 0:
            return
        comma = header.rfind(b",", 0, end)
        if end - comma > _LONGEST:
            return
        element = header[comma + 1 : end].decode("latin-1").strip(" \t")
        if element:
            yield element
        end = comma


def _without_port(element: str) -> str:
    """`192.0.2.1:80` and `[2001:db8::1]:80`, as some proxies write them."""
    host, port = element, ""
    if element.startswith("["):
        host, closed, rest = element[1:].partition("]")
        if not closed or rest[:1] not in ("", ":"):
            raise ValueError("no closed bracket")
        port = rest[1:]
    elif element.count(":") == 1:
        host, _, port = element.partition(":")
    if port and not (port.isascii() and port.isdigit()):
        raise ValueError("no port")
    return host


def _address(text: str) -> IPv4Address | IPv6Address:
    if ":" not in text:
        return IPv4Address(text)
    if "%" in text:
        raise ValueError("the name of a link says nothing elsewhere")
    address = IPv6Address(text)
    return address.ipv4_mapped or address
