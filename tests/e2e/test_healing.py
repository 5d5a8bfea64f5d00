"""Streams that break off and are continued, from a faulty provider through a real gateway."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

import httpx
import pytest

from callgate.chaos.answer import SENTENCE
from callgate.chaos.server import Chaos, running_chaos
from gateway import Gateway, serving, until
from provider import Provider

CHAT = "/v1/chat/completions"
ASKED: dict[str, Any] = {
    "messages": [{"role": "user", "content": "Tell me of the sea."}],
    "stream": True,
    "stream_options": {"include_usage": True},
}
WORDS = 12  # after which the faults strike
BEGUN = " ".join(SENTENCE.split(" ")[:WORDS])
EDGES = (0, 1, 2, len(SENTENCE.split()) - 1, len(SENTENCE.split()))
BREAKS = ("cut-mid-answer", "cut-with-terminator", "reset-mid-answer", "stall", "200-error-12")
PROVIDERS = """
[retry]
base = 0.02
[breaker]
calls = 1000
[providers.anew]
dialect = "openai"
base_url = "{url}/v1"
timeouts = {timeouts}
[providers.given]
dialect = "openai"
base_url = "{url}/v1"
prefill = "assistant"
timeouts = {timeouts}
"""
SCRIPTED = """
[providers.scripted]
dialect = "openai"
base_url = "%s"
[models."cut-tools"]
provider = "scripted"
[models."cut-thinking"]
provider = "scripted"
"""
DIALECTS = {"claude": "anthropic", "gemini": "gemini", "bedrock": "bedrock", "cohere": "cohere"}
PATHS = {"anthropic": "/v1", "gemini": "/v1beta", "bedrock": "", "cohere": "/v2"}
TIMEOUTS = "{ connect = 60, headers = 60, first_token = 60, silence = 60, total = 120 }"
SHORT = "timeouts = { silence = 0.3 }\n"
"""For what falls silent: the others are given so long that no busy machine makes them late."""
SILENT = ("stall",)


class Answer(NamedTuple):
    """A stream as it came: the text, the error event if there was one, and whether `[DONE]` did."""

    id: str
    chunks: list[dict[str, Any]]
    error: dict[str, Any] | None
    done: bool

    @property
    def text(self) -> str:
        return "".join(
            choice["delta"].get("content") or ""
            for chunk in self.chunks
            for choice in chunk["choices"]
        )

    @property
    def finishes(self) -> list[str]:
        return [
            choice["finish_reason"]
            for chunk in self.chunks
            for choice in chunk["choices"]
            if choice["finish_reason"]
        ]


def others(url: str) -> Iterator[str]:
    for name, dialect in DIALECTS.items():
        yield f'[providers."{name}-like"]\ndialect = "{dialect}"\n'
        yield f'base_url = "{url}{PATHS[dialect]}"\ntimeouts = {TIMEOUTS}\n'


def models() -> Iterator[str]:
    faults = (
        *BREAKS,
        "ok",
        "prefill-refused",
        "503-always",
        "malformed-event",
        "no-done-open",
        "silence",
    )
    for fault in faults:
        for provider in ("anew", "given"):
            yield f'[models."{provider}-{fault}"]\nprovider = "{provider}"\n'
            yield f'upstream_model = "{fault}"\n'
            yield SHORT if fault in SILENT else ""
        for name in DIALECTS:
            yield f'[models."{name}-{fault}"]\nprovider = "{name}-like"\n'
            yield f'upstream_model = "claude-3-5-haiku:{fault}"\n'
            yield SHORT if fault in SILENT else ""
    for words in EDGES:
        yield f'[models."edge-{words}"]\nprovider = "anew"\n'
        yield f'upstream_model = "cut-mid-answer-{words}"\n'
    for fault in faults:
        yield f'[models."new-claude-{fault}"]\nprovider = "claude-like"\n'
        yield f'upstream_model = "claude-opus-4-6:{fault}"\n'
        yield SHORT if fault in SILENT else ""


@pytest.fixture(scope="module")
def chaos() -> Iterator[Chaos]:
    with running_chaos() as server:
        yield server


@pytest.fixture(scope="module")
def gateway(
    chaos: Chaos, provider: Provider, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    folder = tmp_path_factory.mktemp("healing")
    text = PROVIDERS.replace("{url}", chaos.url).replace("{timeouts}", TIMEOUTS)
    (folder / "callgate.toml").write_text(
        "".join([text, *others(chaos.url), *models(), SCRIPTED % provider.base_url])
    )
    with serving(folder) as running:
        yield running


@pytest.fixture
def client(gateway: Gateway) -> Iterator[httpx.Client]:
    with gateway.client() as client:
        yield client


def ask(client: httpx.Client, model: str, *fallbacks: str, **more: Any) -> Answer:
    body = {"model": model, **ASKED, **more}
    if fallbacks:
        body["fallbacks"] = [{"model": name} for name in fallbacks]
    response = client.post(CHAT, json=body)
    assert response.status_code == 200, response.text
    chunks, error, done = [], None, False
    for line in filter(None, response.text.split("\n\n")):
        data = line.removeprefix("data: ")
        if data == "[DONE]":
            done = True
        elif '"error":' in data:
            error = json.loads(data)["error"]
        else:
            chunks.append(json.loads(data))
    return Answer(response.headers["x-request-id"], chunks, error, done)


def check_whole(answer: Answer) -> None:
    assert answer.error is None
    assert answer.text == SENTENCE
    assert answer.done
    assert answer.finishes == ["stop"]
    assert len({(chunk["id"], chunk["model"], chunk["created"]) for chunk in answer.chunks}) == 1


WAYS = {
    "given-ok": "prefill",
    "anew-ok": "match",
    "claude-ok": "prefill",
    "new-claude-ok": "match",
    "given-prefill-refused": "match",
}


@pytest.mark.parametrize(
    ("fault", "fallback"),
    [
        *((fault, "given-ok") for fault in BREAKS),
        *(("cut-mid-answer", name) for name in list(WAYS)[1:]),
    ],
)
def test_a_stream_that_breaks_off_is_continued(
    client: httpx.Client, gateway: Gateway, fault: str, fallback: str
) -> None:
    answer = ask(client, f"anew-{fault}", fallback)
    check_whole(answer)
    record = gateway.record(answer.id)
    first, *_, last = record["attempts"]
    place = {"characters": len(BEGUN), "attempt": len(record["attempts"]) - 1,
             "way": WAYS[fallback]}  # fmt: skip
    assert record["splices"] == [place]
    assert first["decision"] == f"fall back to {fallback}"
    assert last["decision"] == "done"
    assert record["model_served"] == fallback
    assert answer.chunks[0]["model"] == f"anew-{fault}"
    parts = [first["usage"], last["usage"]]
    total = sum(part["total_tokens"] for part in parts)
    assert answer.chunks[-1]["usage"]["total_tokens"] == record["usage"]["total_tokens"] == total


def test_the_same_target_goes_on_where_there_is_no_other(
    client: httpx.Client, gateway: Gateway
) -> None:
    answer = ask(client, "given-cut-mid-answer")
    record = gateway.record(answer.id)
    ways = [(place["characters"], place["attempt"]) for place in record["splices"]]
    assert len(record["attempts"]) == 3
    assert ways[0] == (len(BEGUN), 1)
    assert answer.error is not None
    assert answer.error["type"] == "upstream_cut"
    assert len(answer.error["metadata"]["attempts"]) == 3
    assert not answer.done
    assert SENTENCE.startswith(answer.text)
    assert len(answer.text) > len(BEGUN)


def test_a_silent_target_is_not_asked_again(client: httpx.Client, gateway: Gateway) -> None:
    answer = ask(client, "given-stall")
    assert answer.error is not None
    assert answer.error["type"] == "upstream_timeout"
    assert answer.text == BEGUN
    assert len(gateway.record(answer.id)["attempts"]) == 1


def test_another_answer_is_not_taken_for_the_same(client: httpx.Client, gateway: Gateway) -> None:
    fallback = {"model": "anew-ok", "messages": [{"role": "assistant", "content": "A lighthouse"}]}
    answer = ask(client, "anew-cut-mid-answer", fallbacks=[fallback])
    assert answer.error is not None
    assert answer.error["type"] == "upstream_cut"
    assert answer.text == BEGUN
    assert not answer.done
    record = gateway.record(answer.id)
    assert [one.get("error") for one in record["attempts"]] == ["upstream_cut", "answer_diverged"]
    assert "splices" not in record


@pytest.mark.parametrize(
    "more",
    [
        {"fallback_config": {"mid_stream": "error"}},
        {"response_format": {"type": "json_object"}},
        {"n": 2},
        {"logprobs": True},
    ],
)
def test_what_is_not_to_be_continued_fails_cleanly(
    client: httpx.Client, gateway: Gateway, more: dict[str, Any]
) -> None:
    answer = ask(client, "anew-cut-mid-answer", "given-ok", **more)
    assert answer.error is not None
    assert answer.error["type"] == "upstream_cut"
    assert not answer.done
    assert len(gateway.record(answer.id)["attempts"]) == 1


def test_a_tool_call_in_progress_is_not_continued(client: httpx.Client, gateway: Gateway) -> None:
    answer = ask(client, "cut-tools", "given-ok")
    assert answer.error is not None
    assert answer.error["type"] == "upstream_cut"
    assert not answer.done
    assert len(gateway.record(answer.id)["attempts"]) == 1


def test_reasoning_alone_is_followed_by_a_whole_answer(
    client: httpx.Client, gateway: Gateway
) -> None:
    answer = ask(client, "cut-thinking", "given-ok")
    check_whole(answer)
    assert gateway.record(answer.id)["splices"] == [{"characters": 0, "attempt": 1, "way": "match"}]


def test_a_fallback_without_quota_does_not_go_on(gateway: Gateway) -> None:
    made = gateway.new_key("--account", "quota", "--rate-limit", "given-ok=1")
    with gateway.client(made["key"]) as client:
        check_whole(ask(client, "anew-cut-mid-answer", "given-ok"))
        answer = ask(client, "anew-cut-mid-answer", "given-ok")
    assert answer.error is not None
    assert answer.error["type"] == "upstream_cut"
    assert "passed over" in str(gateway.record(answer.id)["notes"])


def test_a_caller_who_leaves_ends_the_attempt_that_was_to_go_on(
    client: httpx.Client, gateway: Gateway, chaos: Chaos
) -> None:
    body = {"model": "anew-cut-mid-answer", "fallbacks": [{"model": "given-silence"}], **ASKED}
    with client.stream("POST", CHAT, json=body) as response:
        until(lambda: any(one.model == "silence" for one in chaos.requests))
    until(lambda: any(one.model == "silence" for one in chaos.left))
    id_ = response.headers["x-request-id"]
    until(lambda: is_on_record(gateway, id_))
    record = gateway.record(id_)
    assert record["error"] == "client_disconnected"
    assert record["usage"]["estimated"]
    assert [one["error"] for one in record["attempts"]] == ["upstream_cut", "client_disconnected"]


def is_on_record(gateway: Gateway, id_: str) -> bool:
    try:
        gateway.record(id_)
    except AssertionError:
        return False
    return True


def test_it_goes_on_past_targets_that_fail(client: httpx.Client, gateway: Gateway) -> None:
    answer = ask(client, "anew-cut-mid-answer", "anew-503-always", "given-stall", "claude-ok")
    check_whole(answer)
    splices = gateway.record(answer.id)["splices"]
    assert splices[0]["characters"] == len(BEGUN)
    assert [place["way"] for place in splices] == ["prefill", "prefill"]


@pytest.mark.parametrize("fallback", ["given-ok", "anew-ok"])
def test_it_may_break_off_anywhere(client: httpx.Client, fallback: str) -> None:
    for words in EDGES:
        check_whole(ask(client, f"edge-{words}", fallback))


@pytest.mark.parametrize("fault", ["cut-with-terminator", "reset-mid-answer", "200-error-12"])
@pytest.mark.parametrize("dialect", DIALECTS)
def test_streams_of_every_dialect_are_continued(
    client: httpx.Client, gateway: Gateway, dialect: str, fault: str
) -> None:
    answer = ask(client, f"{dialect}-{fault}", "given-ok")
    check_whole(answer)
    record = gateway.record(answer.id)
    assert record["splices"][0]["characters"] == len(BEGUN)
    assert record["attempts"][0]["usage"]["estimated"]


@pytest.mark.parametrize("dialect", ["anew", *DIALECTS])
def test_a_malformed_event_amid_a_sound_stream_is_skipped_and_noted(
    client: httpx.Client, gateway: Gateway, dialect: str
) -> None:
    answer = ask(client, f"{dialect}-malformed-event")
    check_whole(answer)
    record = gateway.record(answer.id)
    assert len(record["attempts"]) == 1
    assert "1 malformed event" in str(record["notes"])


@pytest.mark.parametrize("dialect", ["anew", *DIALECTS])
def test_an_answer_without_its_mark_is_finished_promptly(
    client: httpx.Client, gateway: Gateway, dialect: str
) -> None:
    answer = ask(client, f"{dialect}-no-done-open")
    check_whole(answer)
    if dialect != "bedrock":  # whose mark is what bears the usage
        assert answer.chunks[-1]["usage"]["completion_tokens"] == len(SENTENCE.split())
    assert gateway.record(answer.id)["total_us"] < 30_000_000  # far from its silence


def test_the_story_tells_where_the_splice_lies(client: httpx.Client, gateway: Gateway) -> None:
    answer = ask(client, "anew-cut-mid-answer", "given-ok")
    told = gateway.run("show", answer.id).stdout
    assert f"{len(BEGUN)} characters" in told
    assert "prefill" in told
