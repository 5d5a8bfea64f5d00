"""Retries and fallbacks: what a caller sees when providers fail."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from gateway import Gateway, serving, until, write_config
from provider import WORDS, Provider

CHAT = "/v1/chat/completions"
TEXT = "".join(WORDS)
ASKED: dict[str, Any] = {"messages": [{"role": "user", "content": "Hello?"}]}
EXTRA = """
[retry]
base = 0.05
[breaker]
calls = 1000  # it is not to matter how many tests asked for the same model before
[models."narrow"]
provider = "test"
upstream_model = "test-too-long"
context_length = 1000
[models."as-withheld"]
provider = "test"
upstream_model = "test-withheld"
rate_limit = 1000
[models."as-narrow"]
provider = "test"
upstream_model = "test-ok"
context_length = 1000
[models."wide"]
provider = "test"
upstream_model = "test-ok"
context_length = 2000
[models."covered"]
provider = "test"
upstream_model = "test-away"
fallbacks = ["test-ok"]
[models."halved"]
deployments = [
    {provider = "test", upstream_model = "test-barred", weight = 1000},
    {provider = "test", upstream_model = "test-ok", weight = 1},
]
[models."twofold"]
deployments = [
    {provider = "test", upstream_model = "test-away", weight = 1000},
    {provider = "test", upstream_model = "test-ok", weight = 0.001},
]
"""


@pytest.fixture(scope="module")
def gateway(provider: Provider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    folder = tmp_path_factory.mktemp("fallbacks")
    write_config(folder, provider, wait=0.5, extra=EXTRA)
    with serving(folder) as running:
        yield running


@pytest.fixture
def client(gateway: Gateway) -> Iterator[httpx.Client]:
    with gateway.client() as client:
        yield client


def ask(client: httpx.Client, model: str, **more: Any) -> httpx.Response:
    return client.post(CHAT, json={"model": model, **ASKED, **more})


def text_of(response: httpx.Response) -> str:
    assert response.status_code == 200, response.text
    if not response.headers["content-type"].startswith("text/event-stream"):
        return str(response.json()["choices"][0]["message"]["content"])
    *lines, done = [line[6:] for line in response.text.split("\n\n") if line]
    assert done == "[DONE]"
    chunks = [json.loads(line) for line in lines]
    return "".join(
        choice["delta"].get("content") or "" for chunk in chunks for choice in chunk["choices"]
    )


def trail(gateway: Gateway, response: httpx.Response) -> list[tuple[str, str | None]]:
    attempts = gateway.record(response.headers["x-request-id"])["attempts"]
    return [(one["upstream_model"], one.get("error")) for one in attempts]


@pytest.mark.parametrize("stream", [False, True])
def test_a_passing_failure_is_tried_again(
    client: httpx.Client, gateway: Gateway, *, stream: bool
) -> None:
    response = ask(client, "test-once", user=str(uuid4()), stream=stream)
    assert text_of(response) == TEXT
    assert trail(gateway, response) == [
        ("test-once", "provider_unavailable"),
        ("test-once", None),
    ]
    first = gateway.record(response.headers["x-request-id"])["attempts"][0]
    assert first["decision"].startswith("retry in ")


def test_retries_can_be_turned_off_and_end(client: httpx.Client, gateway: Gateway) -> None:
    off = ask(client, "test-away", fallback_config={"retry": False})
    assert off.status_code == 503
    assert len(trail(gateway, off)) == 1
    both = ask(
        client, "test-away", fallback_config={"retry": False}, fallbacks=[{"model": "test-broken"}]
    )
    assert [one for one, _ in trail(gateway, both)] == ["test-away", "test-broken"]
    on = ask(client, "test-away")
    assert on.status_code == 503
    assert len(trail(gateway, on)) == 3
    assert len(on.json()["error"]["metadata"]["attempts"]) == 3


FAILING = (
    "away", "broken", "limited", "silent", "mumbling", "cut", "html", "bad-key", "missing",
    "too-long",
)  # fmt: skip


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("fault", FAILING)
def test_a_fallback_answers_in_its_own_name(
    client: httpx.Client, gateway: Gateway, fault: str, *, stream: bool
) -> None:
    if (fault, stream) == ("cut", True):
        pytest.skip("begins with a 200")
    if (fault, stream) == ("limited", True):
        fault = "limited-streamed"  # the other one is resting now
    response = ask(
        client, f"test-{fault}", stream=stream, fallbacks=[{"model": "test-ok", "temperature": 1}]
    )
    assert text_of(response) == TEXT
    record = gateway.record(response.headers["x-request-id"])
    assert record["model"] == f"test-{fault}"
    assert record["model_served"] == "test-ok"
    assert response.headers["x-ratelimit-model"] == "test-ok"
    *failed, last = record["attempts"]
    assert failed[-1]["decision"] == "fall back to test-ok"
    assert last["decision"] == "done"
    if fault in ("silent", "mumbling"):  # is not asked again while another target remains
        assert len(failed) == 1


def test_overrides_reach_the_fallback_alone(client: httpx.Client, provider: Provider) -> None:
    mark = str(uuid4())
    fallback = {"model": "test-ok", "prompt": mark, "max_tokens": 7}
    response = ask(client, "test-bad-key", max_tokens=5, fallbacks=[fallback])
    assert text_of(response) == TEXT
    _, sent = next(r for r in reversed(provider.requests) if mark in str(r[1]))
    assert sent["messages"] == [{"role": "user", "content": mark}]
    assert sent["max_tokens"] == 7
    assert "fallbacks" not in sent


def test_what_is_rejected_is_not_routed_around(client: httpx.Client, gateway: Gateway) -> None:
    response = ask(client, "test-rejected", fallbacks=[{"model": "test-ok"}])
    assert response.json()["error"]["type"] == "provider_rejected"
    assert len(trail(gateway, response)) == 1


def test_a_prompt_too_long_goes_to_a_wider_window(client: httpx.Client, gateway: Gateway) -> None:
    fallbacks = [{"model": "as-narrow"}, {"model": "wide"}]
    response = ask(client, "narrow", fallbacks=fallbacks)
    assert text_of(response) == TEXT
    assert response.json()["model"] == "wide"
    assert len(trail(gateway, response)) == 2


def test_a_prompt_too_long_for_all_says_so(client: httpx.Client, gateway: Gateway) -> None:
    response = ask(client, "narrow", fallbacks=[{"model": "as-narrow"}])
    assert response.json()["error"]["type"] == "context_too_long"
    record = gateway.record(response.headers["x-request-id"])
    (attempt,) = record["attempts"]
    assert attempt["decision"] == "stop"
    assert attempt["reason"] == "no target with a larger window remains"
    assert "'as-narrow' was passed over: its window of 1000 tokens" in record["notes"][0]
    unknown = ask(client, "narrow", fallbacks=[{"model": "as-narrow"}, {"model": "test-ok"}])
    assert unknown.json()["model"] == "test-ok"  # nothing is known of its window


@pytest.mark.parametrize("stream", [False, True])
def test_a_content_filters_refusal_is_passed_on_unless_told_otherwise(
    client: httpx.Client, gateway: Gateway, *, stream: bool
) -> None:
    fallbacks = [{"model": "test-filtered", "seed": 1}, {"model": "test-ok"}]
    refused = ask(client, "test-filtered", stream=stream, fallbacks=fallbacks)
    assert refused.status_code == 400
    assert refused.json()["error"]["type"] == "content_filtered"
    (attempt,) = gateway.record(refused.headers["x-request-id"])["attempts"]
    assert attempt["decision"] == "stop"
    wanted = {"on_content_filter": True}
    answered = ask(
        client, "test-filtered", stream=stream, fallbacks=fallbacks, fallback_config=wanted
    )
    assert text_of(answered) == TEXT
    assert len(trail(gateway, answered)) == 3


@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_that_a_content_filter_withheld_is_a_refusal_too(
    client: httpx.Client, gateway: Gateway, *, stream: bool
) -> None:
    def finish(*fallbacks: str, **config: bool) -> tuple[httpx.Response, list[Any]]:
        response = ask(
            client, "test-withheld", stream=stream, fallback_config=config,
            fallbacks=[{"model": name} for name in fallbacks],
        )  # fmt: skip
        return response, gateway.record(response.headers["x-request-id"])["attempts"]

    passed_on, attempts = finish("test-ok")
    assert '"finish_reason":"content_filter"' in passed_on.text
    assert len(attempts) == 1
    routed, (refused, answered) = finish("test-ok", on_content_filter=True)
    assert text_of(routed) == TEXT
    assert '"model":"test-ok"' in routed.text
    assert (refused["error"], refused["decision"]) == ("content_filtered", "fall back to test-ok")
    assert answered["decision"] == "done"
    assert gateway.record(routed.headers["x-request-id"])["finish_reason"] == "stop"
    last, attempts = finish("as-withheld", on_content_filter=True)
    assert '"finish_reason":"content_filter"' in last.text  # nobody is left to ask
    assert [one["decision"] for one in attempts] == ["fall back to as-withheld", "done"]


def test_who_limits_us_without_saying_for_how_long_is_left_at_once(
    client: httpx.Client, gateway: Gateway
) -> None:
    response = ask(client, "test-busy", fallbacks=[{"model": "test-ok"}])
    assert text_of(response) == TEXT
    assert len(trail(gateway, response)) == 2


def test_depth_and_the_operators_own_fallbacks(client: httpx.Client) -> None:
    fallbacks = [{"model": "test-missing"}, {"model": "test-ok"}]
    short = ask(client, "test-bad-key", fallbacks=fallbacks, fallback_config={"depth": 1})
    assert short.status_code == 502
    assert text_of(ask(client, "covered")) == TEXT
    assert ask(client, "covered", fallbacks=[]).status_code == 503


def test_another_deployment_of_the_same_model_answers(client: httpx.Client) -> None:
    response = ask(client, "twofold")
    assert text_of(response) == TEXT
    assert response.json()["model"] == "twofold"


def test_a_deployment_that_refuses_is_asked_once_and_then_after_the_others(
    gateway: Gateway, client: httpx.Client
) -> None:
    answers = [ask(client, "halved") for _ in range(5)]
    trails = [trail(gateway, answer) for answer in answers]
    assert [len(one) for one in trails] == [2, 1, 1, 1, 1]
    assert "a provider refuses; others are asked first" in gateway.log


@pytest.mark.parametrize(
    ("fallbacks", "more", "status", "param"),
    [
        ({"model": "test-ok"}, {}, 400, "fallbacks"),
        ([{"temperature": 1}], {}, 400, "fallbacks[0].model"),
        ([{"model": "test-ok"}, {"model": "nix"}], {}, 404, "fallbacks[1].model"),
        ([{"model": "gpt-4-32k"}], {}, 404, "fallbacks[0].model"),
        ([{"model": "test-eu"}], {}, 404, "fallbacks[0].model"),
        ([{"model": "test-ok", "stream": True}], {}, 400, "fallbacks[0].stream"),
        ([{"model": "test-ok", "max_tokens": 0}], {}, 400, "fallbacks[0].max_tokens"),
        ([{"model": "test-ok"}], {"fallback_config": {"depth": 0}}, 400, "fallback_config.depth"),
        ([{"model": "test-ok"}], {"fallback_config": {"retry": 1}}, 400, "fallback_config.retry"),
    ],
)
def test_mistakes_in_fallbacks_are_named_before_anybody_is_asked(
    client: httpx.Client,
    provider: Provider,
    fallbacks: Any,
    more: dict[str, Any],
    status: int,
    param: str,
) -> None:
    mark = str(uuid4())
    response = ask(client, "test-ok", fallbacks=fallbacks, user=mark, **more)
    assert response.status_code == status
    assert response.json()["error"]["param"] == param
    assert not [body for _, body in provider.requests if body.get("user") == mark]


def test_a_fallback_that_the_key_may_not_use(gateway: Gateway) -> None:
    made = gateway.new_key("--model", "test-ok")
    with gateway.client(made["key"]) as client:
        response = ask(client, "test-ok", fallbacks=[{"model": "test-tools"}])
    assert response.status_code == 403
    assert response.json()["error"]["param"] == "fallbacks[0].model"


def test_out_of_quota_the_first_fallback_with_quota_answers(gateway: Gateway) -> None:
    limits = ("--rate-limit", "test-ok=1", "--rate-limit", "wide=1", "--rate-limit", "twofold=1")
    made = gateway.new_key("--account", "quota", *limits)
    fallbacks = [{"model": "wide"}]
    with gateway.client(made["key"]) as client:
        served = [ask(client, "test-ok", fallbacks=fallbacks) for _ in range(3)]
    assert [one.status_code for one in served] == [200, 200, 429]
    assert [one.headers["x-ratelimit-model"] for one in served[:2]] == ["test-ok", "wide"]
    assert served[2].headers["x-ratelimit-model"] == "test-ok"


def test_the_circuit_opens_and_ready_says_so(provider: Provider, tmp_path: Path) -> None:
    extra = "[retry]\nbase = 0.01\n[breaker]\ncalls = 3\npause = 60\n"
    write_config(tmp_path, provider, extra=extra)
    with serving(tmp_path) as gateway, gateway.client() as client:
        assert ask(client, "test-away").status_code == 503
        refused = ask(client, "test-away", user=(mark := str(uuid4())))
        assert refused.json()["error"]["type"] == "circuit_open"
        assert 1 <= int(refused.headers["retry-after"]) <= 60
        assert not [body for _, body in provider.requests if body.get("user") == mark]
        assert text_of(ask(client, "test-away", fallbacks=[{"model": "test-ok"}])) == TEXT
        ready = client.get("/ready").json()
        assert ready["status"] == "degraded"
        assert "test/test-away" in str(ready["findings"])
        until(lambda: "circuit opened" in gateway.log)


def test_ready_names_a_provider_that_refuses_while_a_fallback_answers(
    provider: Provider, tmp_path: Path
) -> None:
    write_config(tmp_path, provider)
    with serving(tmp_path) as gateway, gateway.client() as client:
        assert client.get("/ready").json()["status"] == "ok"
        assert text_of(ask(client, "test-barred", fallbacks=[{"model": "test-ok"}])) == TEXT
        (finding,) = client.get("/ready").json()["findings"]
    assert (finding["part"], finding["state"]) == ("providers", "degraded")
    assert "refused by: test/test-barred" in finding["why"]
    assert "callgate check" in finding["fix"]


def test_no_more_attempts_than_the_budget_has(client: httpx.Client, gateway: Gateway) -> None:
    fallbacks = [{"model": "test-away"}, {"model": "test-broken"}, {"model": "covered"}]
    fallbacks += [{"model": "test-html"}, {"model": "test-ok"}]
    response = ask(client, "test-cut", fallbacks=fallbacks)
    record = gateway.record(response.headers["x-request-id"])
    assert len(record["attempts"]) <= 8


def test_a_mark_for_the_cache_does_not_fail_a_fallback(
    client: httpx.Client, gateway: Gateway, provider: Provider
) -> None:
    mark = {"cache_control": {"type": "ephemeral"}}
    messages = [{**ASKED["messages"][0], **mark}]
    fallbacks = [{"model": "test-ok"}]
    response = ask(client, "test-missing", messages=messages, fallbacks=fallbacks)
    assert text_of(response) == TEXT
    sent = [body["messages"] for _, body in provider.requests[-2:]]
    assert sent == [messages, ASKED["messages"]]
    notes = gateway.record(response.headers["x-request-id"])["notes"]
    assert any("'test-ok' was asked without `cache_control`" in note for note in notes)
