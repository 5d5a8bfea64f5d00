"""The gateway's own adapters, which share no code with the chaos upstream, read what it says."""

from __future__ import annotations

import pytest

from callgate.chaos.answer import SENTENCE
from callgate.chaos.server import Chaos
from callgate.core.chat import Chunk
from callgate.core.http import HttpResponse, split_url
from callgate.core.models import Deployment, Model
from callgate.core.secret import Secret
from callgate.core.target import Target
from callgate.errors import GatewayError
from callgate.providers.registry import VENDORS, dialect
from patience import PATIENCE

from .client import SILENCES, SPEECHES, Result, ask

WORDS = len(SENTENCE.split())
REFUSED = {
    "429-retry-after": "provider_rate_limited",
    "429": "provider_rate_limited",
    "500-once": "provider_unavailable",
    "503-always": "provider_unavailable",
    "context-too-long": "context_too_long",
    "no-such-model": "provider_model_missing",
}
NEEDS_ITS_MARK = ("anthropic",)  # without it the adapter may take an answer for a part
NOT_PASSED_OVER = ("bedrock", "cohere")  # where one broken event breaks the stream


def target_of(name: str) -> Target:
    origin, path = split_url("http://127.0.0.1:1/v1")
    deployment = Deployment(
        id="x",
        provider=name,
        vendor=VENDORS[name],
        upstream_model="x",
        origin=origin,
        path=path,
        secret=Secret("sk-planted-provider-key"),
    )
    return Target(Model(name="x", deployments=(deployment,)), deployment)


def response(result: Result) -> HttpResponse:
    return HttpResponse(result.status, result.headers, result.body)


def relayed(name: str, result: Result) -> list[Chunk]:
    decoder = dialect(name).decoder(target_of(name))
    return [*decoder.feed(result.body), *decoder.close()]


def said(chunks: list[Chunk]) -> str:
    return "".join(
        choice["delta"].get("content") or "" for chunk in chunks for choice in chunk.choices
    )


@pytest.mark.parametrize("name", SPEECHES)
def test_a_whole_answer_is_understood(chaos: Chaos, name: str) -> None:
    result = ask(chaos.port, name, "ok", stream=False)
    answer = dialect(name).decode(response(result), target_of(name))
    choice = answer.choices[0]
    assert (choice["message"]["content"], choice["finish_reason"]) == (SENTENCE, "stop")
    assert answer.usage is not None
    assert (answer.usage.input_tokens, answer.usage.output_tokens) == (5, WORDS)


@pytest.mark.parametrize(
    ("name", "model"),
    [
        *((name, "ok") for name in SPEECHES),
        *((name, "no-done") for name in SPEECHES if name not in NEEDS_ITS_MARK),
    ],
)
def test_a_streamed_answer_is_understood(chaos: Chaos, name: str, model: str) -> None:
    chunks = relayed(name, ask(chaos.port, name, model, stream=True))
    finishes = [choice["finish_reason"] for chunk in chunks for choice in chunk.choices]
    assert said(chunks) == SENTENCE
    assert [finish for finish in finishes if finish] == ["stop"]
    used = [chunk.usage.output_tokens for chunk in chunks if chunk.usage]
    # OpenAI reports usage where it is asked to, Bedrock in the event that is the mark.
    unreported = name == "openai" or (name, model) == ("bedrock", "no-done")
    assert used[-1:] == ([] if unreported else [WORDS])


@pytest.mark.parametrize(("model", "kind"), REFUSED.items())
@pytest.mark.parametrize("name", SPEECHES)
def test_a_failure_is_told_apart(chaos: Chaos, name: str, model: str, kind: str) -> None:
    result = ask(chaos.port, name, f"adapter-{name}:{model}", stream=True)
    error = dialect(name).error(response(result), target_of(name))
    assert error.kind.type == kind
    assert error.retry_after == (1 if model == "429-retry-after" else None)


@pytest.mark.parametrize(
    "model", ["cut-mid-answer", "cut-with-terminator", "reset-mid-answer", "stall"]
)
@pytest.mark.parametrize("name", SPEECHES)
def test_a_part_never_passes_for_an_answer(chaos: Chaos, name: str, model: str) -> None:
    for silence in SILENCES if model == "stall" else (PATIENCE,):
        result = ask(chaos.port, name, model, stream=True, silence=silence)
        if result.body:
            break
    with pytest.raises(GatewayError) as caught:
        relayed(name, result)
    assert caught.value.kind.type == "upstream_cut"


@pytest.mark.parametrize("name", SPEECHES)
def test_an_error_amid_a_stream_is_understood(chaos: Chaos, name: str) -> None:
    result = ask(chaos.port, name, "200-error-3", stream=True)
    with pytest.raises(GatewayError) as caught:
        relayed(name, result)
    assert caught.value.kind.origin == "upstream"


@pytest.mark.parametrize("name", SPEECHES)
def test_a_refusal_of_content_is_understood(chaos: Chaos, name: str) -> None:
    result = ask(chaos.port, name, "content-filter", stream=False)
    if name == "bedrock":  # tells it by the finish reason of an answer
        answer = dialect(name).decode(response(result), target_of(name))
        assert answer.choices[0]["finish_reason"] == "content_filter"
        return
    if name == "gemini":  # tells it in place of an answer
        with pytest.raises(GatewayError) as caught:
            dialect(name).decode(response(result), target_of(name))
        error = caught.value
    else:
        error = dialect(name).error(response(result), target_of(name))
    assert error.kind.type == "content_filtered"


@pytest.mark.parametrize("name", [name for name in SPEECHES if name not in NOT_PASSED_OVER])
def test_a_malformed_event_can_be_passed_over(chaos: Chaos, name: str) -> None:
    result = ask(chaos.port, name, "malformed-event", stream=True)
    decoder = dialect(name).decoder(target_of(name))
    chunks = [*decoder.feed(result.body), *decoder.close()]
    assert (said(chunks), decoder.skipped) == (SENTENCE, 1)
