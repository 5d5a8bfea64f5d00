"""Who asks through proxies: the address in `X-Forwarded-For` that may be believed.

https://developer.mozilla.org/en-US/docs/Web/HTTP/Reference/Headers/X-Forwarded-For
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_network

FORWARDED_FOR = b"x-forwarded-for"
MOST_BYTES = 4096
"""The end of the header that is more than what is looked at."""

_MOST_HOPS = 32
_LONGEST = 64  # an IPv6 address in brackets with its port, and some room

_Networks = tuple[tuple[int, frozenset[int]], ...]
_Address = tuple[str, int]


class TrustedProxies:
    """Proxies that are believed when they tell whom they ask for."""

    __slots__ = ("_v4", "_v6")

    def __init__(self, networks: Collection[IPv4Network | IPv6Network]) -> None:
        self._v4 = _by_length(network for network in networks if network.version == 4)
        self._v6 = _by_length(network for network in networks if network.version == 6)

    def trusts(self, peer: str) -> bool:
        """Whether the address at the other end of a connection is that of such a proxy."""
        read = _read(peer.partition("%")[0])  # behind it stands a link's name
        return read is not None and self._has(read)

    def behind(self, peer: tuple[str, int], headers: Mapping[bytes, bytes]) -> tuple[str, int]:
        """Who asks, in place of `peer`, a trusted proxy, where its headers tell."""
        told = headers.get(FORWARDED_FOR)
        return peer if told is None else (self.caller(peer[0], told), 0)

    def caller(self, peer: str, header: bytes) -> str:
        """The address that asks, where `peer` is trusted and sent this `X-Forwarded-For`.

        Each proxy adds at the right whom it was asked by, so from there it is the first that is
        not trusted; what stands left of it may be anybody's invention. Where all are trusted, or
        one cannot be read, it is the last that was.
        """
        found, end = peer, len(header)
        for _ in range(_MOST_HOPS):
            if end < 0:
                break
            comma = header.rfind(b",", 0, end)
            if end - comma > _LONGEST:
                break
            element = header[comma + 1 : end].decode("latin-1").strip(" \t")
            end = comma
            if not element:
                continue
            read = _read(_without_port(element))
            if read is None:
                break
            found = read[0]
            if not self._has(read):
                break
        return found

    def _has(self, address: _Address) -> bool:
        text, number = address
        for host, known in self._v6 if text.find(":") >= 0 else self._v4:
            if number >> host in known:
                return True
        return False


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
        if mapped is not None:
            return IPv4Network((mapped, network.prefixlen - 96))
    return network


def _by_length(networks: Iterable[IPv4Network | IPv6Network]) -> _Networks:
    """Networks of one kind, by the number of bits that they leave to hosts."""
    lengths: dict[int, set[int]] = {}
    for network in networks:
        host = network.max_prefixlen - network.prefixlen
        lengths.setdefault(host, set()).add(int(network.network_address) >> host)
    return tuple((host, frozenset(known)) for host, known in sorted(lengths.items()))


def _without_port(element: str) -> str:
    """The address of `192.0.2.1:80` and `[2001:db8::1]:80`, as some proxies write them."""
    host, port = element, ""
    if element.startswith("["):
        host, closed, rest = element[1:].partition("]")
        if not closed:
            return element
        port = rest.removeprefix(":")
    elif element.count(":") == 1:
        host, _, port = element.partition(":")
    return host if not port or (port.isascii() and port.isdigit()) else element


def _read(text: str) -> _Address | None:
    """An address as it is written usually, and as a number; None where it is none."""
    if text.find(":") < 0:
        number = _v4(text)
        return None if number < 0 else (text, number)
    if "%" in text:  # the name of a link says nothing elsewhere
        return None
    try:
        address = IPv6Address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped
    return (str(address), int(address)) if mapped is None else (str(mapped), int(mapped))


def _v4(text: str) -> int:
    """The number of an IPv4 address, -1 where it is none; `ipaddress` takes three times as long."""
    octets = text.split(".", 4)
    if len(octets) != 4 or not text.isascii():
        return -1
    number = 0
    for octet in octets:
        if not octet.isdigit() or len(octet) > 3 or (octet[0] == "0" and octet != "0"):
            return -1
        value = int(octet)
        if value > 255:
            return -1
        number = number << 8 | value
    return number
