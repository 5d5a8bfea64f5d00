"""Counters on a cluster: slots that move, servers that are lost."""

from __future__ import annotations

import asyncio
import time
from uuid import uuid4

import pytest

import redisserver
from callgate.core.limits import Draw, Period
from patience import PATIENCE
from store.conftest import back, remote


@pytest.mark.full
async def test_a_cluster_that_moves_slots_and_loses_the_server_of_the_setting_counts_on(
    program: str,
) -> None:
    with redisserver.clustered(masters=3, program=program) as servers:
        first, second, third = servers
        prefix = f"test:{uuid4()}"
        counters = remote(first.url, timeout=PATIENCE, prefix=prefix)
        await counters.start()

        async def places(model: str) -> int:
            asked = (counters.reserve(f"a{n % 30}", model, 5, time.time()) for n in range(300))
            return sum(quota.admitted for quota in await asyncio.gather(*asked))

        assert await places("m") == 150
        held = [server.client().dbsize() for server in servers]
        assert min(held) > 0
        slots = {f"a{n}": first.ask("KEYSLOT", f"a{n}") for n in range(30)}
        mine = redisserver.slots_of(0, 3)
        account, slot = next(pair for pair in slots.items() if pair[1] in mine)
        first.move(slot, second, [third])
        assert not (await counters.reserve(account, "m", 5, time.time())).admitted
        assert await places("n") == 150
        assert counters.outages == 0

        first.kill()
        second.take_over(mine, [third])
        await places("o")
        await back(counters)
        assert counters.outages == 1
        assert await places("p") == 150
        assert counters.trouble is None
        await counters.stop()


async def test_a_cluster_counts_as_well(program: str) -> None:
    with redisserver.clustered(program=program) as (server,):
        counters = remote(server.url, timeout=PATIENCE)
        await counters.start()
        assert counters.trouble is None
        asked = (counters.reserve(f"a{n % 5}", f"m{n % 3}", 10, time.time()) for n in range(300))
        quotas = await asyncio.gather(*asked)
        assert sum(quota.admitted for quota in quotas) == 150
        draws = [Draw("m", 5, 1), Draw("tokens", 100, 30), Draw("spend", 9, 1, Period.DAY, 1)]
        grant = await counters.draw("{odd} account", draws, time.time())
        with server.client() as client:
            client.config_set("maxmemory", 1 << 30)
            client.config_set("maxmemory-policy", "volatile-ttl")
        counters._look_at = 0
        await counters._beat()
        assert counters.caution is not None
        assert "volatile-ttl" in counters.caution.what
        assert [level.used for level in grant.levels] == [1, 30, 1]
        await counters.stop()


@pytest.mark.full
async def test_what_any_server_of_a_cluster_has_lost_is_restored(program: str) -> None:
    with redisserver.clustered(masters=2, program=program) as servers:
        counters = remote(servers[0].url, timeout=PATIENCE)
        idle = remote(servers[1].url, timeout=PATIENCE)
        await counters.start()
        await idle.start()

        async def admitted() -> list[bool]:
            asked = (counters.reserve(f"a{n}", "m", 1, time.time()) for n in range(30))
            return [quota.admitted for quota in await asyncio.gather(*asked)]

        assert all(await admitted())
        for server in servers:  # on one of them is the mark, on the other it is not
            server.kill()
            server.start()
            for one in (counters, idle):
                await one._beat()
                await back(one)
            assert not any(await admitted())
            assert (counters.outages, idle.outages) == (servers.index(server) + 1,) * 2
        await counters.stop()
        await idle.stop()
