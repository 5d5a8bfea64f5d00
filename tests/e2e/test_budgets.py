"""Token limits and budgets as callers and the operator see them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from gateway import Gateway, children, serving, until, write_config
from patience import best_of
from provider import Provider

CHAT = "/v1/chat/completions"
ASK = {"messages": [{"role": "user", "content": "Hello?"}], "max_tokens": 100}

# Each answer of the provider counts 5 tokens read and 4 written, which cost some 0.00004 dollars.
MODELS = """
[models.capped]
provider = "openai"
upstream_model = "gpt-4.1"
token_limit = 150
[providers.openai]
api_key = "sk-not-used-by-the-test-provider"
base_url = "{url}"
[models."gpt-4.1"]
provider = "openai"
upstream_model = "gpt-4.1"
rate_limit = 100000
[budgets]
warn_at = 0.5
[accounts.poor]
budget_day = 0.000001
[accounts.careful]
budget_month = 0.0009
[accounts.lenient]
budget_month = 0.0015
"""


@pytest.fixture(scope="module")
def metered(provider: Provider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway of two workers, which share a table."""
    folder = tmp_path_factory.mktemp("metered")
    write_config(folder, provider, extra=MODELS.format(url=provider.base_url))
    with serving(folder, "--workers", "2") as gateway:
        yield gateway


def test_tokens_are_reserved_by_estimate_and_settled_by_use(metered: Gateway) -> None:
    key = metered.new_key("--account", "tokens")["key"]
    with metered.client(key) as client:
        first = client.post(CHAT, json={**ASK, "model": "capped"})
        assert first.status_code == 200
        assert first.headers["x-ratelimit-limit-tokens"] == "150"
        reserved = 150 - int(first.headers["x-ratelimit-remaining-tokens"])
        assert reserved == 100 + len('[{"role":"user","content":"Hello?"}]') // 4
        assert 0 < int(first.headers["x-ratelimit-reset-tokens"]) <= 60
        # 9 tokens were used of those: the next finds room that the estimate alone leaves not.
        second = client.post(CHAT, json={**ASK, "model": "capped"})
        assert second.status_code == 200
        assert int(second.headers["x-ratelimit-remaining-tokens"]) == 150 - 9 - reserved
        for _ in range(20):
            refused = client.post(CHAT, json={**ASK, "model": "capped"})
            if refused.status_code != 200:
                break
        assert refused.status_code == 429
        error = refused.json()["error"]
        assert error["type"] == "rate_limited"
        assert "150 tokens per 60 s for model 'capped'" in error["message"]
        wait = int(refused.headers["retry-after"])
        assert wait - int(refused.headers["x-ratelimit-reset-tokens"]) in (0, 1)  # told in turn


def test_a_spent_budget_is_refused_and_a_nearly_spent_one_is_told(metered: Gateway) -> None:
    with each_worker(metered) as clients:  # until each has read the prices
        for client in clients:
            until(lambda: "cost_usd" in metered.record(priced(client)))  # noqa: B023 - at once
    poor = metered.new_key("--account", "poor")["key"]
    with metered.client(poor) as client:
        assert client.post(CHAT, json={**ASK, "model": "gpt-4.1"}).status_code == 200
        refused = client.post(CHAT, json={**ASK, "model": "gpt-4.1"})
        if refused.status_code == 200:  # a day ended between the two
            refused = client.post(CHAT, json={**ASK, "model": "gpt-4.1"})
        assert refused.status_code == 429
        error = refused.json()["error"]
        assert error["type"] == "budget_exhausted"
        assert error["metadata"]["retryable"] is False
        assert "account 'poor'" in error["message"]
        assert 0 < int(refused.headers["retry-after"]) <= 86_400
    careful = metered.new_key("--account", "careful")["key"]
    with metered.client(careful) as client:
        answer = client.post(CHAT, json={**ASK, "model": "gpt-4.1"})
        assert answer.headers["x-callgate-budget"].startswith("account month ")
        noted = metered.record(answer.headers["x-request-id"])["notes"]
        assert any("budget nearly spent: account month" in note for note in noted)
        month = {"account": "careful", "scope": "account", "subject": "", "period": "month"}
        until(lambda: figure(client, "callgate_budget_spent_usd", month) > 0)
        assert figure(client, "callgate_budget_limit_usd", month) == 0.0009


def figure(client: httpx.Client, name: str, labels: dict[str, str]) -> float:
    """What the metrics tell, 0 where they do not."""
    families = text_string_to_metric_families(client.get("/metrics").text)
    samples = (sample for family in families for sample in family.samples)
    wanted = (one.value for one in samples if (one.name, one.labels) == (name, labels))
    return float(next(wanted, 0))


@best_of(5)
def test_a_changed_key_is_known_to_every_worker_within_two_seconds(metered: Gateway) -> None:
    made = metered.new_key("--account", str(uuid4()))
    key = {"authorization": made["key"]}
    with each_worker(metered) as clients:

        def limits() -> list[tuple[str, str | None]]:
            asked = {**ASK, "model": "gpt-4.1"}
            answers = [client.post(CHAT, json=asked, headers=key) for client in clients]
            headers = [answer.headers for answer in answers]
            tokens = "x-ratelimit-limit-tokens"
            return [(one["x-ratelimit-limit"], one.get(tokens)) for one in headers]

        assert limits() == [("100000", None)] * 2
        arguments = ("--rate-limit", "gpt-4.1=90", "--tokens-per-minute", "100000")
        assert metered.run("keys", "change", made["id"], *arguments).returncode == 0
        changed = time.monotonic()
        until(lambda: limits() == [("90", "100000")] * 2)
        assert time.monotonic() - changed < 2


def test_what_was_spent_while_a_budget_was_taken_away_counts_when_it_is_back(
    metered: Gateway,
) -> None:
    lenient = metered.new_key("--account", "lenient")["key"]
    free = {**ASK, "model": "test-ok"}  # it has no price, and is refused by a spent budget
    with metered.client(lenient) as client, each_worker(metered, lenient) as clients:
        until(lambda: "cost_usd" in metered.record(priced(client)))
        change = ("accounts", "set", "lenient", "--budget-month", "none")
        assert metered.run(*change, "--tokens-per-minute", "100000").returncode == 0
        told = "x-ratelimit-limit-tokens"
        until(lambda: all(told in one.post(CHAT, json=free).headers for one in clients))
        records = [metered.record(priced(client)) for _ in range(40)]
        assert sum(one["cost_usd"] for one in records) > 0.0015
        assert metered.run("accounts", "reset", "lenient").returncode == 0
        until(lambda: {one.post(CHAT, json=free).status_code for one in clients} == {429})
        assert client.post(CHAT, json=free).json()["error"]["type"] == "budget_exhausted"


@contextmanager
def each_worker(gateway: Gateway, key: str | None = None) -> Iterator[list[httpx.Client]]:
    """Clients, of which each keeps one connection to a worker of its own."""
    workers: dict[int, httpx.Client] = {}
    with ExitStack() as stack:
        for _ in range(200):
            client = stack.enter_context(gateway.client(key))
            answer = client.get("/v1/models")
            port = answer.extensions["network_stream"].get_extra_info("client_addr")[1]
            workers.setdefault(holder(gateway, port), client)
            if len(workers) == 2:
                break
        yield list(workers.values())


def holder(gateway: Gateway, port: int) -> int:
    """The worker that has accepted the connection from this port of the loopback."""
    for pid in children(gateway.process.pid):
        held = set()
        for link in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(FileNotFoundError):  # closed by now
                held.add(str(link.readlink()))
        for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[2].endswith(f":{port:04X}") and f"socket:[{fields[9]}]" in held:
                return pid
    raise AssertionError(f"nobody has accepted the connection from port {port}")


def priced(client: httpx.Client) -> str:
    return str(client.post(CHAT, json={**ASK, "model": "gpt-4.1"}).headers["x-request-id"])


@best_of(2)  # a day may end in between, and its budget with it
def test_what_was_spent_is_known_after_a_restart(
    provider: Provider, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder: Path = tmp_path_factory.mktemp("spent")
    write_config(folder, provider, extra=MODELS.format(url=provider.base_url))
    with serving(folder) as gateway:
        with gateway.client() as client:
            until(lambda: "cost_usd" in gateway.record(priced(client)))
        poor = gateway.new_key("--account", "poor", "--budget-month", "5", "--token-limit", "m=9")
        with gateway.client(poor["key"]) as client:
            assert client.post(CHAT, json={**ASK, "model": "gpt-4.1"}).status_code == 200
        gateway.kill_everything()
    with serving(folder, key=False) as gateway, gateway.client(poor["key"]) as client:
        refused = client.post(CHAT, json={**ASK, "model": "gpt-4.1"})
        assert refused.json()["error"]["type"] == "budget_exhausted"
    assert poor["allowance"] == {"budget_month": 5.0, "token_limits": {"m": 9}}
