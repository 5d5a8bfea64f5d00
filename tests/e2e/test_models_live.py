"""Models and accounts' limits changed while the gateway runs: every worker follows within 2 s."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from gateway import Gateway, serving, write_config
from patience import PATIENCE, best_of
from provider import Provider

CHAT = "/v1/chat/completions"
GOOD = [{"role": "user", "content": "Hello?"}]
CAPTURING = '[capture]\npayloads = "all"\n'
BOUND = 2.0
_TOGETHER = 8  # connections, of which two workers each get some


@pytest.fixture(scope="module")
def two(provider: Provider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    folder = tmp_path_factory.mktemp("two")
    write_config(folder, provider, extra=CAPTURING)
    with serving(folder, "--workers", "2") as running:
        yield running


def answers(gateway: Gateway, model: str, key: str | None = None) -> list[httpx.Response]:
    """What each of several fresh connections is answered, so that every worker is asked."""
    body = {"model": model, "messages": GOOD}
    with gateway.client(key, headers={"connection": "close"}) as client:
        return [client.post(CHAT, json=body) for _ in range(_TOGETHER)]


def shown(gateway: Gateway, model: str) -> set[int]:
    """The statuses by which several fresh connections are told of a model."""
    with gateway.client(headers={"connection": "close"}) as client:
        return {client.get(f"/v1/models/{model}").status_code for _ in range(_TOGETHER)}


def becomes(check: Callable[[], bool]) -> float:
    """Seconds until the check holds."""
    started = time.monotonic()
    while not check():
        assert time.monotonic() - started < PATIENCE
        time.sleep(0.02)
    return time.monotonic() - started


def done(gateway: Gateway, *arguments: str) -> dict[str, Any]:
    told = gateway.run(*arguments, "--json")
    assert told.returncode == 0, told.stderr
    return dict(json.loads(told.stdout))


@best_of(5)
def test_every_worker_follows_what_is_set_of_models_and_accounts(two: Gateway) -> None:
    key = two.new_key("--account", "narrow")["key"]
    try:
        done(two, "models", "add", "fresh", "--provider", "test", "--upstream-model", "test-ok")
        done(two, "models", "set", "test-ok", "--rate-limit", "54321")
        done(two, "accounts", "set", "narrow", "--tokens-per-minute", "1")

        def limited() -> bool:
            return (
                {one.headers.get("x-ratelimit-limit") for one in answers(two, "fresh")} == {"30"}
                and {one.headers["x-ratelimit-limit"] for one in answers(two, "test-ok")}
                == {"54321"}
                and {one.status_code for one in answers(two, "test-ok", key)} == {429}
            )

        took = becomes(limited)
    finally:
        for command in ("models remove fresh", "models reset test-ok", "accounts reset narrow"):
            two.run(*command.split())

    def lifted() -> bool:
        return shown(two, "fresh") == {404} and {
            (one.status_code, one.headers["x-ratelimit-limit"])
            for one in answers(two, "test-ok", key)
        } == {(200, "100000")}

    assert max(took, becomes(lifted)) < BOUND


def test_a_stream_goes_on_with_the_model_that_it_began_with(
    two: Gateway, provider: Provider
) -> None:
    body = {"model": "test-paused", "messages": GOOD, "stream": True}
    provider.go_on.clear()
    with two.client() as client, client.stream("POST", CHAT, json=body) as answer:
        try:
            done(two, "models", "set", "test-paused", "--offered", "no")
            becomes(lambda: shown(two, "test-paused") == {404})
        finally:
            provider.go_on.set()
        assert answer.status_code == 200
        assert answer.read().endswith(b"data: [DONE]\n\n")


def test_who_looks_at_a_model_is_told_that_the_gateway_has_not_loaded_the_file(
    two: Gateway,
) -> None:
    path = two.folder / "callgate.toml"
    before = path.read_text()
    assert "SIGHUP" not in two.run("models", "show", "test-ok").stderr
    try:
        path.write_text(f"{before}\n[models.later]\nprovider = 'test'\n")
        told = two.run("models", "show", "later").stderr
        assert (
            f"the gateway at {two.url} may go by other values: its configuration is not in " in told
        )
        assert "callgate.toml changed since it was read" in told
    finally:
        path.write_text(before)
