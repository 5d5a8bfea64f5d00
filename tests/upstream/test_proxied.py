"""Calls that go through a forward proxy."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from callgate.core.http import Origin
from callgate.upstream.proxy import Proxies, parse_proxies
from patience import PATIENCE
from upstream.asking import PATIENT
from upstream.forwarding import forward
from upstream.hostile import Hostile, Peer, ok, says
from upstream.secured import Authority, secured


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture
def ca_file(authority, tmp_path) -> str:
    path = tmp_path / "ca.pem"
    authority.ca.cert_pem.write_to_path(path)
    return str(path)


def through(proxy: Origin, **values: str) -> Proxies:
    return parse_proxies(all=f"{proxy.scheme}://user:p%40ss@{proxy.netloc}", **values)


async def test_http_goes_in_absolute_form_over_kept_connections(ask):
    async with Hostile(says(ok(b"hello"))) as server, Hostile(forward) as proxy:
        caller = ask(proxies=through(proxy.origin))
        for _ in range(2):
            assert await caller.read(server.origin, path="/v1/x") == b"hello"
        seen = proxy.peers[0].requests
        assert [r.line for r in seen] == [f"POST {server.origin}/v1/x HTTP/1.1"] * 2
        assert seen[0].headers["proxy-authorization"] == "Basic dXNlcjpwQHNz"
        assert seen[0].headers["host"] == server.origin.netloc
        assert len(proxy.peers) == 1


async def test_https_goes_through_a_tunnel(ask, authority, ca_file):
    async with (
        secured(authority.context("localhost"), ok(b"hello")) as server,
        Hostile(forward) as proxy,
    ):
        caller = ask(proxies=through(proxy.origin), ca_file=ca_file)
        for _ in range(2):
            assert await caller.read(server.origin) == b"hello"
        (connect,) = proxy.peers[0].requests
        assert connect.line == f"CONNECT {server.origin.netloc} HTTP/1.1"
        assert connect.headers["proxy-authorization"] == "Basic dXNlcjpwQHNz"
        assert "authorization" not in connect.headers
        assert b"proxy-authorization" not in server.heads[0]
        assert (server.sni, server.alpn) == (["localhost"], ["http/1.1"])


async def test_a_proxy_without_credentials_is_told_none(ask, authority, ca_file):
    async with (
        secured(authority.context("localhost"), ok(b"hello")) as server,
        Hostile(forward) as proxy,
    ):
        caller = ask(proxies=parse_proxies(all=str(proxy.origin)), ca_file=ca_file)
        assert await caller.read(server.origin) == b"hello"
        (connect,) = proxy.peers[0].requests
        assert list(connect.headers) == ["host"]


async def test_certificate_is_verified_inside_the_tunnel(ask, authority, ca_file):
    async with (
        secured(authority.context("example.org"), ok(b"hello")) as server,
        Hostile(forward) as proxy,
    ):
        error = await ask(proxies=through(proxy.origin), ca_file=ca_file).error(server.origin)
    assert error.kind.type == "upstream_unreachable"
    assert "certificate" in error.message


async def test_exempt_host_is_reached_directly(ask):
    async with Hostile(says(ok(b"hello"))) as server, Hostile(forward) as proxy:
        caller = ask(proxies=through(proxy.origin, no="127.0.0.0/8"))
        assert await caller.read(server.origin) == b"hello"
        assert proxy.peers == []


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n", "status 407"),
        (b"HTTP/1.1 502 Bad Gateway\r\n\r\n", "status 502"),
        (b"HTTP/1.1 102 Wait\r\n\r\nHTTP/1.1 403 No\r\n\r\n", "status 403"),
        (b"garbage", "made no sense"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"y" * 70_000, "made no sense"),
        (b"", "made no sense"),
    ],
)
async def test_proxy_that_refuses_makes_the_upstream_unreachable(ask, answer, words):
    async with Hostile(lambda peer: peer.answer(answer)) as proxy:
        caller = ask(proxies=through(proxy.origin))
        origin = Origin("https", "api.example.com", 443)
        error = await caller.error(origin)
        assert error.kind.type == "upstream_unreachable"
        assert words in str(error.detail)
        assert proxy.origin.netloc in str(error.detail)
        assert "p@ss" not in error.message
        assert caller.client.stats()[origin] == (0, 0, 0)


@pytest.mark.parametrize("answer", [b"garbage", b"HTTP/1.1 200 OK\r\nX: " + b"y" * 70_000])
async def test_proxy_that_makes_no_sense_and_goes_on_is_let_go_at_once(ask, answer):
    closed: asyncio.Future[float] = asyncio.get_running_loop().create_future()

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(answer)
        closed.set_result(await peer.gone())

    async with Hostile(script) as proxy:
        caller = ask(proxies=through(proxy.origin))
        error = await caller.error(Origin("https", "api.example.com", 443))
        assert "made no sense" in str(error.detail)
        await asyncio.wait_for(closed, PATIENCE)


async def test_proxy_that_wants_other_credentials_is_not_taken_for_the_provider(ask):
    page = b"<html>Squid wants to know who you are</html>"
    refusal = b"HTTP/1.1 407 No\r\nContent-Length: %d\r\n\r\n%b" % (len(page), page)
    async with Hostile(lambda peer: peer.answer(refusal)) as proxy:
        caller = ask(proxies=through(proxy.origin))
        origin = Origin("http", "api.example.com", 80)
        error = await caller.error(origin)
        assert error.kind.type == "upstream_unreachable"
        assert "refused the tunnel to api.example.com with status 407" in str(error.detail)
        assert caller.client.stats()[origin] == (0, 0, 0)


async def test_proxy_that_is_away_is_named(ask):
    async with Hostile(forward) as proxy:
        origin = proxy.origin
    error = await ask(proxies=through(origin)).error(Origin("http", "api.example.com", 80))
    assert error.kind.type == "upstream_unreachable"
    assert f"the proxy {origin.netloc} refused the connection" in str(error.detail)


async def test_proxy_that_stalls_times_out_and_is_let_go(ask):
    closed: asyncio.Future[float] = asyncio.get_running_loop().create_future()

    async def script(peer: Peer) -> None:
        await peer.request()
        closed.set_result(await peer.gone())

    async with Hostile(script) as proxy:
        origin = Origin("https", "api.example.com", 443)
        caller = ask(proxies=through(proxy.origin))
        caller.client._tls.context()  # which takes its time
        error = await caller.error(origin, timeouts=replace(PATIENT, connect=0.2))
        assert "connect timeout" in error.message
        await asyncio.wait_for(closed, PATIENCE)


async def test_proxy_may_be_spoken_to_over_tls(ask, authority, ca_file):
    answer = ok(b"hello")
    async with secured(authority.context("localhost"), answer) as proxy:
        caller = ask(proxies=through(proxy.origin), ca_file=ca_file)
        assert await caller.read(Origin("http", "api.example.com", 80), path="/x") == b"hello"
        assert proxy.heads[0].startswith(b"POST http://api.example.com/x HTTP/1.1\r\n")
