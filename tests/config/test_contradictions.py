"""Settings that are each sound but contradict each other."""

from __future__ import annotations

from pathlib import Path

import pytest

from callgate.config import ConfigError, load

MODEL = (
    "[providers.mine]\ndialect = 'openai'\nbase_url = 'http://127.0.0.1:9/v1'\n{}\n"
    "[models.m]\nprovider = 'mine'\n{}\n[models.n]\nprovider = 'mine'\n"
)


def mistakes(folder: Path, text: str) -> list[str]:
    file = folder / "callgate.toml"
    file.write_text(text)
    try:
        load(file, {})
    except ConfigError as error:
        return error.mistakes
    return []


@pytest.mark.parametrize(
    ("provider", "model", "named"),
    [
        ("total = 9, first_token = 10", "", ("providers.mine.timeouts.first_token", "total")),
        ("total = 9, headers = 10", "", ("providers.mine.timeouts.headers", "total")),
        ("total = 9, silence = 10", "", ("providers.mine.timeouts.silence", "total")),
        ("total = 4, connect = 5", "", ("providers.mine.timeouts.connect", "total")),
        ("silence = 601", "", ("providers.mine.timeouts.silence", "the default")),
        ("headers = 30", "total = 20", ("providers.mine.timeouts.headers", "models.m.timeouts")),
        ("total = 30", "silence = 31", ("models.m.timeouts.silence", "providers.mine.timeouts")),
        ("", "total = 2, first_token = 3", ("models.m.timeouts.first_token", "models.m")),
    ],
)
def test_a_timeout_beyond_the_total_is_named_once_with_what_ends_it(
    tmp_path: Path, provider: str, model: str, named: tuple[str, str]
) -> None:
    text = MODEL.format(f"timeouts = {{ {provider} }}", f"timeouts = {{ {model} }}")
    (told,) = mistakes(tmp_path, text)
    key, other = named
    assert told.startswith(f"{key}: ")
    assert other in told


@pytest.mark.parametrize(
    ("table", "key"),
    [
        ("retry = { base = 9 }", "retry.base"),
        ("retry = { base = 2, longest = 1 }", "retry.base"),
        ("retry = { per_target = 4, attempts = 2 }", "retry.per_target"),
        ("retry = { retry_after = 40 }", "retry.retry_after"),
        ("retry = { longest = 9, seconds = 5 }", "retry.longest"),
        ("upstream = { max_idle_connections = 9, max_connections = 5 }", "upstream.max_idle"),
        ("store = { url = 'mysql://h/d' }", "store.url: "),
        ("counters = { url = 'redis://h:99999999/0' }", "counters.url: "),
        ("traces = { endpoint = 'ftp://h:4318' }", "traces.endpoint: "),
        ("server = { hang_timeout = 1.9 }", "server.hang_timeout: "),
    ],
)
def test_settings_that_cannot_be_stop_the_start(tmp_path: Path, table: str, key: str) -> None:
    (told,) = mistakes(tmp_path, table)
    assert told.startswith(key)


def test_networks_of_proxies_that_are_none_are_named(tmp_path: Path) -> None:
    text = "[server]\ntrusted_proxies = ['10.0.0.0/8', 'n', '', '10.0.0.1/8,fd00::/8']"
    expected = "expected an address or a network such as 10.0.0.7, 10.0.0.0/8 or fd00::/8, got 'n'"
    within = "'10.0.0.1/8' is an address within a network, which is 10.0.0.0/8"
    assert mistakes(tmp_path, text) == [
        f"server.trusted_proxies[1]: {expected}",
        f"server.trusted_proxies[3]: {within}",
    ]


def test_proxies_are_read_from_a_variable(tmp_path: Path) -> None:
    file = tmp_path / "callgate.toml"
    file.write_text("[server]\ntrusted_proxies = ['${PROXIES}']")
    proxies = load(file, {"PROXIES": "10.0.0.0/8, 192.168.7.7"}).trusted_proxies
    assert proxies is not None
    assert [proxies.trusts(one) for one in ("10.1.1.1", "192.168.7.7", "127.0.0.1")] == [
        True,
        True,
        False,
    ]
    assert load(file, {"PROXIES": ""}).trusted_proxies is None
    assert load(file, {}, secrets=False).settings.server.trusted_proxies == ["${PROXIES}"]


@pytest.mark.parametrize(
    "text",
    [
        "retry = { longest = 0.1 }",
        "retry = { attempts = 1 }",
        "retry = { seconds = 1 }",
        "upstream = { max_connections = 5 }",
        MODEL.format("timeouts = { total = 0.5 }", "timeouts = { first_token = 0.2 }"),
    ],
)
def test_defaults_give_way_to_what_was_set(tmp_path: Path, text: str) -> None:
    assert mistakes(tmp_path, text) == []
