"""The link to Redis: what is wrong with the setting is said, and never the password."""

from __future__ import annotations

import builtins
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import redis

import redisserver
from callgate.store.base import Caution, StoreError
from callgate.store.counters.opening import probe_counters
from callgate.store.counters.redis import key_of, shown
from redisserver import PROGRAMS, RedisServer

PASSWORD = "s3cret-of-the-counters"


@pytest.fixture(scope="module", params=list(PROGRAMS))
def guarded(request: pytest.FixtureRequest) -> Iterator[RedisServer]:
    """A server with a password, and a user who may do next to nothing."""
    program = PROGRAMS[request.param]
    with redisserver.running("--requirepass", PASSWORD, program=program) as server:
        with server.client(password=PASSWORD) as client:
            client.acl_setuser("poor", enabled=True, passwords=["+poor"], commands=["+ping"])
        yield server


@contextmanager
def configured(client: redis.Redis, **settings: object) -> Iterator[None]:
    """The server with other settings for a while."""
    named = {name.replace("_", "-"): value for name, value in settings.items()}
    before = {name: client.config_get(name)[name] for name in named}
    try:
        for name, value in named.items():
            client.config_set(name, value)
        yield
    finally:
        for name, value in before.items():
            client.config_set(name, value)


def cautioned(url: str) -> Caution | None:
    probed = probe_counters(url, region="us")
    assert probed is not None
    return probed.caution


def refused(url: str) -> str:
    with pytest.raises(StoreError) as told:
        probe_counters(url, region="us")
    message = str(told.value)
    assert message.startswith("counters.url: ")
    assert PASSWORD not in message
    assert PASSWORD not in repr(told.value.__cause__)
    return message


def test_a_server_that_answers_is_accepted(guarded: RedisServer) -> None:
    probe_counters(f"{guarded.url}?password={PASSWORD}", region="us")
    probe_counters("memory:", region="us")


def test_a_password_that_is_missing_or_wrong_is_told(guarded: RedisServer) -> None:
    assert "Authentication required" in refused(guarded.url)
    assert "invalid username-password pair" in refused(f"{guarded.url}?password={PASSWORD}-not")


def test_a_user_without_rights_is_told(guarded: RedisServer) -> None:
    assert "has no permissions to run" in refused(f"{guarded.url}?username=poor&password=poor")


def test_a_server_whose_memory_is_full_is_told(guarded: RedisServer) -> None:
    with guarded.client(password=PASSWORD) as client, configured(client, maxmemory=1):
        message = refused(f"{guarded.url}?password={PASSWORD}")
    assert "command not allowed when used memory > 'maxmemory'; raise the server's" in message


def test_a_server_that_does_not_write_is_told(guarded: RedisServer) -> None:
    with guarded.client(password=PASSWORD) as client, configured(client, min_replicas_to_write=1):
        message = refused(f"{guarded.url}?password={PASSWORD}")
    assert message.endswith("bring the server's replicas back, or lower min-replicas-to-write")
    assert "user_script" not in message


@pytest.mark.parametrize("policy", ["volatile-ttl", "allkeys-lru"])
def test_a_server_that_may_drop_counters_is_accepted_with_a_caution(
    guarded: RedisServer, policy: str
) -> None:
    url = f"{guarded.url}?password={PASSWORD}"
    with guarded.client(password=PASSWORD) as client, configured(client, maxmemory_policy=policy):
        assert cautioned(url) is None, "without a bound nothing is dropped"
        with configured(client, maxmemory=1 << 30):
            caution = cautioned(url)
    assert caution is not None
    assert f"{guarded.socket} has maxmemory-policy {policy}" in caution.what
    assert "noeviction" in caution.fix
    assert PASSWORD not in repr(caution)


def test_a_server_that_is_not_there_is_told() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, but nobody listens
        port = taken.getsockname()[1]
        message = refused(f"redis://user:{PASSWORD}@127.0.0.1:{port}/0")
    assert f"redis://127.0.0.1:{port}/0" in message
    assert "start the server" in message


@pytest.mark.parametrize(
    "url",
    [
        f"redis://127.0.0.1:1/{PASSWORD}",  # the driver would take database 0
        f"redis://:a@b/c#{PASSWORD}@127.0.0.1:1/0",
        f"redis://:a@b/{PASSWORD}@127.0.0.1:1/0",
        f"redis://127.0.0.1:1/0?{PASSWORD}",
        f"redis://127.0.0.1:1/0?socket_timeout={PASSWORD}",
    ],
)
def test_a_url_that_would_be_misread_is_refused_and_nothing_of_it_quoted(url: str) -> None:
    message = refused(url)
    assert "expected redis://user:password@host" in message
    assert "127.0.0.1" not in message


def test_an_unknown_option_is_named() -> None:
    message = refused("redis://127.0.0.1:1/0?sokcet_timeout=3")
    assert "no such option 'sokcet_timeout'; correct what follows `?`" in message


def test_a_missing_driver_is_told_with_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "callgate.store.counters.redis", raising=False)
    real = builtins.__import__

    def without(name: str, *rest: Any, **named: Any) -> Any:
        if name.partition(".")[0] == "redis":
            raise ModuleNotFoundError("No module named 'redis'", name="redis")
        return real(name, *rest, **named)

    monkeypatch.setattr(builtins, "__import__", without)
    assert "pip install 'callgate[redis]'" in refused("redis://127.0.0.1:1/0")


def test_a_url_is_shown_without_what_is_secret() -> None:
    assert (
        shown(f"rediss://u:{PASSWORD}@h.example:6380/2?password=x") == "rediss://h.example:6380/2"
    )
    assert shown("unix:///run/redis.sock?db=1") == "unix:///run/redis.sock"


def test_all_keys_of_an_account_bear_its_hash_tag_and_no_other() -> None:
    assert key_of("p", "acme", "gpt") == "p:{acme}:gpt"
    assert key_of("p", "a{b}c", "{x}") == "p:{a%7Bb%7Dc}:%7Bx%7D"
    assert key_of("p", "", "m") == "p:{%}:m"
    assert key_of("p", "a\ud800", "m") != key_of("p", "a", "m")
