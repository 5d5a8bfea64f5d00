"""Counters on a cluster: slots that move, servers that are lost."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

import redisserver
from callgate.core.limits import Draw, Period
from callgate.store.base import StoreError
from callgate.store.counters.opening import probe_counters
from patience import PATIENCE
from redisserver import SLOTS, ClusterServer, started
from store.conftest import back, remote

OPERATING = Path(__file__, "../../../docs/operating.md").resolve()


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
        counters._session._look_at = 0
        await counters._session._beat()
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
                await one._session._beat()
                await back(one)
            assert not any(await admitted())
            assert (counters.outages, idle.outages) == (servers.index(server) + 1,) * 2
        await counters.stop()
        await idle.stop()


@pytest.fixture
def lone(program: str) -> Iterator[ClusterServer]:
    """A server that is meant for a cluster, and has no slots."""
    with started(ClusterServer(program)) as server:
        yield server


def refused(url: str) -> str:
    with pytest.raises(StoreError) as told:
        probe_counters(url, region="us")
    return str(told.value)


def test_a_cluster_that_does_not_serve_all_slots_is_told(lone: ClusterServer) -> None:
    assert "--cluster check" in refused(lone.url)
    lone.ask("ADDSLOTS", *range(100))
    assert "--cluster check" in refused(lone.url)


def test_the_rights_that_are_documented_are_enough_for_a_cluster_and_needed(
    lone: ClusterServer,
) -> None:
    text = OPERATING.read_text().partition("- The user needs `")[2].partition("\n\n")[0]
    alone, _, clustered = text.partition("in a cluster also")
    rights = [re.findall(r"\+[a-z|]+", part) for part in (alone, clustered)]
    lone.ask("ADDSLOTS", *range(SLOTS))
    url = lone.url.replace("//", "//gate:word@")
    with lone.client() as client:
        client.execute_command("ACL SETUSER", "gate", "on", ">word", "~callgate:*", *rights[0])
        assert re.search("'cluster.*rights that docs/operating.md lists", refused(url))
        client.execute_command("ACL SETUSER", "gate", *rights[1])
    deadline = time.monotonic() + PATIENCE
    while lone.ask("INFO")["cluster_state"] != "ok":
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert probe_counters(url, region="us") is not None
    # From 9 on, Valkey's clusters know numbers too, of which there is one by default.
    assert re.search("off counters.url|0 is always there", refused(f"{lone.url}/1"))
