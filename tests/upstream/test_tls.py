"""TLS: the certificate and the name in it are verified, always."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from patience import PATIENCE, best_of
from upstream.asking import PATIENT
from upstream.hostile import Hostile, chunked, ok
from upstream.secured import Authority, secured


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture
def ca_file(authority, tmp_path) -> str:
    path = tmp_path / "ca.pem"
    authority.ca.cert_pem.write_to_path(path)
    return str(path)


async def test_trusted_server_is_spoken_to(ask, authority, ca_file):
    async with secured(authority.context("localhost"), chunked(b"hello ", b"world")) as server:
        caller = ask(ca_file=ca_file)
        for _ in range(2):
            assert await caller.read(server.origin) == b"hello world"
        assert server.alpn == ["http/1.1"]
        assert server.sni == ["localhost"]
        assert f"host: {server.origin.netloc}".encode() in server.heads[0]
        assert caller.client.stats()[server.origin] == (1, 1, 0)


async def test_large_bodies_go_both_ways(ask, authority, ca_file):
    body = bytes(range(256)) * 8000
    async with secured(authority.context("localhost"), ok(body)) as server:
        response = await ask(ca_file=ca_file).send(server.origin)
        await asyncio.sleep(0.02)
        assert await response.read() == body


async def test_unknown_authority_is_refused(ask, authority):
    async with secured(authority.context("localhost"), ok(b"x")) as server:
        error = await ask().error(server.origin)
    assert error.kind.type == "upstream_unreachable"
    assert "certificate that cannot be trusted" in error.message
    assert "SSL_CERT_FILE" in error.fix
    assert server.heads == []


async def test_an_authority_of_ones_own_is_trusted_for_its_server_alone(ask, authority, ca_file):
    async with (
        secured(authority.context("localhost"), ok(b"own")) as server,
        secured(authority.context("localhost"), ok(b"other")) as other,
    ):
        caller = ask(authorities={server.origin: ca_file})
        assert await caller.read(server.origin) == b"own"
        error = await caller.error(other.origin)
        assert "certificate that cannot be trusted" in error.message
        error = await ask(authorities={server.origin: f"{ca_file}.not"}).error(server.origin)
        assert error.detail == f"{ca_file}.not: No such file or directory"
        assert "`ca_file` of the provider" in error.fix


async def test_wrong_host_name_is_refused(ask, authority, ca_file):
    async with secured(authority.context("example.org"), ok(b"x")) as server:
        error = await ask(ca_file=ca_file).error(server.origin)
    assert error.kind.type == "upstream_unreachable"
    assert "certificate that cannot be trusted" in error.message
    assert server.heads == []


async def test_certificate_for_an_address_is_accepted(ask, authority, ca_file):
    async with secured(authority.context("127.0.0.1"), ok(b"x")) as server:
        origin = server.origin._replace(host="127.0.0.1")
        assert await ask(ca_file=ca_file).read(origin) == b"x"


@pytest.mark.parametrize("place", ["ca_file", "ca_dir"])
async def test_authorities_that_cannot_be_read_are_told(ask, tmp_path, place):
    path = tmp_path / "none" if place == "ca_file" else tmp_path
    async with Hostile(lambda peer: peer.stall()) as server:
        origin = server.origin._replace(scheme="https")
        error = await ask(**{place: str(path)}).error(
            origin, timeouts=replace(PATIENT, connect=0.05)
        )
    assert error.kind.type == ("upstream_unreachable" if place == "ca_file" else "upstream_timeout")


async def test_server_that_does_not_speak_tls_is_unreachable(ask):
    async with Hostile(lambda peer: peer.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as server:
        error = await ask().error(server.origin._replace(scheme="https"))
    assert error.kind.type == "upstream_unreachable"


async def test_server_that_hangs_up_amid_the_handshake_is_unreachable(ask):
    async with Hostile(lambda peer: peer.some()) as server:
        error = await ask().error(server.origin._replace(scheme="https"))
        assert error.kind.type == "upstream_unreachable"


@best_of(8)
async def test_server_that_stalls_in_the_handshake_times_out(ask):
    async with Hostile(lambda peer: peer.stall()) as server:
        caller = ask()
        caller.client._tls.context()  # which takes its time
        origin = server.origin._replace(scheme="https")
        error = await caller.error(origin, timeouts=replace(PATIENT, connect=0.06))
        assert "connect timeout" in error.message
        assert caller.client.stats()[origin] == (0, 0, 0)
        async with asyncio.timeout(PATIENCE):
            while not server.peers[0].closed:
                await asyncio.sleep(0.002)


@best_of(8)
async def test_cancelled_call_closes_the_socket(ask, authority, ca_file):
    async with secured(authority.context("localhost"), b"") as server:
        task = asyncio.create_task(ask(ca_file=ca_file).read(server.origin))
        async with asyncio.timeout(PATIENCE):
            while not server.heads:
                await asyncio.sleep(0.002)
        task.cancel()
        await asyncio.wait([task])
        async with asyncio.timeout(0.1):
            await server.closed.wait()
