"""Heads of requests hold what they are given and nothing that breaks out of its place."""

from __future__ import annotations

import pytest

from callgate.core.http import HttpRequest, Origin
from callgate.errors import GatewayError
from callgate.upstream.head import encode_head, encode_length
from callgate.upstream.proxy import parse_proxies

ORIGIN = Origin("https", "api.example.com", 443)


def request(**changes: object) -> HttpRequest:
    made = HttpRequest("POST", ORIGIN, "/v1/x", (("a", "b"),), b"")
    return made.replace(**changes)


def test_head_is_complete() -> None:
    assert encode_length(encode_head(request(), None), "POST", 12) == (
        b"POST /v1/x HTTP/1.1\r\nhost: api.example.com\r\naccept-encoding: identity\r\n"
        b"a: b\r\ncontent-length: 12\r\n\r\n"
    )


def test_address_and_port_stand_in_host() -> None:
    head = encode_head(request(origin=Origin("http", "::1", 8080)), None)
    assert b"host: [::1]:8080\r\n" in head


def test_international_host_is_written_in_ascii() -> None:
    head = encode_head(request(origin=Origin("http", "bücher.example", 8080)), None)
    assert b"host: xn--bcher-kva.example:8080\r\n" in head


def test_secret_of_the_proxy_stays_out_of_tunnels() -> None:
    proxies = parse_proxies(all="http://u:p@proxy")
    assert b"proxy-auth" not in encode_head(request(), proxies.find(ORIGIN))


@pytest.mark.parametrize(
    "changes",
    [
        {"method": "PO ST"},
        {"method": ""},
        {"path": "v1"},
        {"path": "/a b"},
        {"path": "/a\r\nx: y"},
        {"path": "/ä"},
        {"headers": (("a", "b\r\nc: d"),)},
        {"headers": (("a", "b\nc"),)},
        {"headers": (("a", "b\0"),)},
        {"headers": (("a", "\u20ac"),)},
        {"headers": (("a b", "c"),)},
        {"headers": (("", "c"),)},
        {"headers": (("a:", "c"),)},
        {"headers": (("content-length", "5"),)},
        {"headers": (("transfer-encoding", "chunked"),)},
        {"headers": (("Host", "x"),)},
    ],
)
def test_anything_that_would_smuggle_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(GatewayError) as caught:
        encode_head(request(**changes), None)
    assert caught.value.kind.type == "internal_error"
