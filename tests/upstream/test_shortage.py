"""Where no file is left for a connection, that is the gateway's trouble and not the provider's."""

from __future__ import annotations

import errno

import pytest

from callgate.errors import GatewayError
from callgate.files import Files
from callgate.upstream import failure
from callgate.upstream.client import Client
from callgate.upstream.settings import UpstreamSettings
from upstream.asking import Ask
from upstream.hostile import Hostile, ok, says


async def test_no_connection_is_made_on_a_file_that_is_kept_back() -> None:
    client = Client(UpstreamSettings(), Files(4))
    async with Hostile(says(ok(b"x"))) as server:
        with pytest.raises(GatewayError) as caught:
            await Ask(client).send(server.origin)
        assert (caught.value.kind.type, caught.value.kind.origin) == ("overloaded", "gateway")
        assert client.stats() == {server.origin: (0, 0, 0)}
        assert not server.peers
    await client.aclose()


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE])
def test_a_provider_is_not_blamed_where_no_file_is_left(number: int) -> None:
    assert failure.unreachable("host", OSError(number, "x")).kind.type == "overloaded"
    assert failure.unreachable("host", OSError(errno.EHOSTUNREACH, "x")).kind.origin == "upstream"
