"""Several gateways that count on one server: exact, and never waiting for it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from itertools import product
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

import redisserver
from callgate.cli.keys import add_key
from callgate.store.base import Key
from callgate.store.opening import open_store
from gateway import Gateway, callgate, serving, until, write_config
from patience import PATIENCE
from provider import Provider
from redisserver import PROGRAMS, RedisServer

CHAT = "/v1/chat/completions"
ACCOUNTS = ("a", "b", "c", "d")
LIMIT = 20
MODELS = ("alpha", "beta", "gamma", "delta", "epsilon")
MODEL = """
[models.{name}]
provider = "test"
upstream_model = "test-ok"
rate_limit = {limit}
"""


class Fleet(NamedTuple):
    """Gateways with a key for each account at each of them."""

    gateways: list[Gateway]
    keys: dict[tuple[int, str], str]
    server: RedisServer


def made_keys(folder: Path) -> dict[str, str]:
    with closing(open_store(f"sqlite:///{folder / 'callgate-data/callgate.db'}")) as store:
        return {
            account: add_key(
                store.keys,
                Key(id="", digest=b"", hint="", name="k", account=account, region="us", created=1),
            )[0]
            for account in ACCOUNTS
        }


@pytest.fixture(scope="module", params=list(PROGRAMS))
def fleet(
    request: pytest.FixtureRequest, provider: Provider, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Fleet]:
    """Three gateways of two workers each."""
    with ExitStack() as stack:
        server = stack.enter_context(redisserver.running(program=PROGRAMS[request.param]))
        gateways, keys = [], {}
        models = "".join(MODEL.format(name=name, limit=LIMIT) for name in MODELS)
        for number in range(3):
            folder = tmp_path_factory.mktemp(f"gateway{number}")
            # Waits long: a machine that is busy with other tests is no outage.
            extra = f'\n[counters]\nurl = "{server.url}"\ntimeout = 10\n{models}'
            write_config(folder, provider, limit=LIMIT, extra=extra)
            keys |= {(number, name): key for name, key in made_keys(folder).items()}
            gateways.append(stack.enter_context(serving(folder, "--workers", "2", key=False)))
        with server.client() as client:
            until(lambda: client.zcard("callgate:us:processes") == 6)
        yield Fleet(gateways, keys, server)


def ask_all(fleet: Fleet, models: tuple[str, ...], each: int) -> list[tuple[str, httpx.Response]]:
    """`each` requests of each account at each model, spread over all gateways and workers."""
    with ExitStack() as stack:
        clients = [
            stack.enter_context(
                httpx.Client(
                    base_url=gateway.url,
                    timeout=PATIENCE,
                    limits=httpx.Limits(max_connections=8),
                    headers={"connection": "close"},  # spread over all workers
                )
            )
            for gateway in fleet.gateways
        ]
        pool = stack.enter_context(ThreadPoolExecutor(12))

        def ask(job: tuple[int, str, str]) -> tuple[str, httpx.Response]:
            at, account, model = job
            body = {"model": model, "messages": [{"role": "user", "content": "Hello?"}]}
            headers = {"authorization": fleet.keys[at, account]}
            return account, clients[at].post(CHAT, json=body, headers=headers)

        jobs = [
            (number % 3, account, model)
            for number, account, model in product(range(each), ACCOUNTS, models)
        ]
        return list(pool.map(ask, jobs))


def figure(client: httpx.Client, name: str) -> float:
    """A figure of `GET /metrics`, all its series together."""
    families = text_string_to_metric_families(client.get("/metrics").text)
    return sum(one.value for family in families for one in family.samples if one.name == name)


def admitted(answers: list[tuple[str, httpx.Response]]) -> Counter[tuple[str, str]]:
    assert {answer.status_code for _, answer in answers} <= {200, 429}
    return Counter(
        (account, answer.headers["x-ratelimit-model"])
        for account, answer in answers
        if answer.status_code == 200
    )


def test_three_gateways_of_two_workers_admit_exactly_the_limit(fleet: Fleet) -> None:
    models = ("alpha", "beta")
    answers = ask_all(fleet, models, LIMIT + 10)
    assert admitted(answers) == dict.fromkeys(product(ACCOUNTS, models), LIMIT)
    assert not [1 for _, answer in answers if "x-callgate-degraded" in answer.headers]


def test_without_the_server_every_answer_says_so_and_with_it_limits_are_exact_again(
    fleet: Fleet,
) -> None:
    fleet.server.kill()
    answers = ask_all(fleet, ("gamma",), 1)  # notice it is away, in some workers
    with ExitStack() as stack:
        clients = [
            stack.enter_context(httpx.Client(base_url=one.url, timeout=PATIENCE))
            for one in fleet.gateways
        ]
        for client in clients:
            until(lambda client=client: client.get("/ready").json()["status"] == "degraded")
        readiness = clients[0].get("/ready")
        assert readiness.status_code == 200
        assert readiness.headers["x-callgate-degraded"] == "counters"
        (finding,) = readiness.json()["findings"]
        assert finding["part"] == "counters"
        assert str(fleet.server.socket) in finding["why"]
        answers = ask_all(fleet, ("delta",), 3)
        assert {answer.status_code for _, answer in answers} <= {200, 429}
        for client in clients:
            until(lambda client=client: figure(client, "callgate_counters_outages") >= 2)
            until(lambda client=client: figure(client, "callgate_limits_counted_alone_total") > 0)
        fleet.server.start()
        with fleet.server.client() as server:
            until(lambda: server.zcard("callgate:us:processes") == 6)
        for client in clients:
            until(lambda client=client: "x-callgate-degraded" not in client.get("/health").headers)
    models = ("epsilon",)
    answers = ask_all(fleet, models, LIMIT + 10)
    assert admitted(answers) == dict.fromkeys(product(ACCOUNTS, models), LIMIT)


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("redis://127.0.0.1:1/0", "counters.url: redis://127.0.0.1:1/0"),
        ("redis://:hidden-word@127.0.0.1:1/0", "counters.url: redis://127.0.0.1:1/0"),
        ("redis://", "counters.url: expected 'memory:'"),
        ("amqp://hidden-word@host", "counters.url: expected 'memory:'"),
    ],
)
def test_counters_that_cannot_be_used_stop_the_start(
    provider: Provider, tmp_path: Path, url: str, told: str
) -> None:
    write_config(tmp_path, provider, extra=f"[counters]\nurl = {json.dumps(url)}\n")
    ended = callgate(tmp_path, "serve", "--port", "0")
    assert ended.returncode == 2
    assert told in ended.stderr
    assert "hidden-word" not in ended.stderr + ended.stdout
    assert not (tmp_path / "callgate-data").exists()
