"""Clients that people use, unchanged but for host and key."""

from __future__ import annotations

from collections.abc import Iterator

import openai
import pytest
import requests

from callgate.core.keys import mint
from gateway import Gateway
from patience import PATIENCE
from provider import WORDS, Provider

TEXT = "".join(WORDS)
MESSAGES = [{"role": "user", "content": "Hello?"}]


@pytest.fixture
def sdk(gateway: Gateway) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{gateway.url}/v1", api_key=gateway.key, max_retries=0) as client:
        yield client


@pytest.mark.parametrize(
    ("key", "asked", "status"),
    [
        (None, {"model": "test-ok"}, 200),
        (None, {}, 400),
        (mint("us", b"?" * 20), {"model": "test-ok"}, 401),
        (mint("eu", b"?" * 20), {"model": "test-ok"}, 403),
        (None, {"model": "nix"}, 404),
    ],
)
def test_the_contracts_own_sample_gets_what_it_documents(
    gateway: Gateway, key: str | None, asked: dict[str, str], status: int
) -> None:
    headers = {"authorization": key or gateway.key}
    body = {**asked, "messages": MESSAGES, "max_tokens": 1000}
    response = requests.post(
        f"{gateway.url}/v1/chat/completions", headers=headers, json=body, timeout=PATIENCE
    )
    result = response.json()
    assert response.status_code == status
    assert result.get("request_id") == response.headers["X-Request-Id"]
    if status == 200:
        assert result["choices"][0]["message"]["content"] == TEXT
        assert result.get("error") is None
    else:
        assert result.get("error")["message"]
        assert result["code"] == status


def test_the_documented_sample_out_of_quota(gateway: Gateway) -> None:
    key = gateway.new_key("--account", "small", "--rate-limit", "test-ok=1")["key"]
    answers = [
        requests.post(
            f"{gateway.url}/v1/chat/completions",
            headers={"authorization": key},
            json={"model": "test-ok", "messages": MESSAGES, "max_tokens": 1000},
            timeout=PATIENCE,
        )
        for _ in range(2)
    ]
    assert [answer.status_code for answer in answers] == [200, 429]
    assert 1 <= int(answers[1].headers["Retry-After"]) <= 60


def test_openais_sdk_reads_an_answer(sdk: openai.OpenAI) -> None:
    answer = sdk.chat.completions.create(model="test-ok", messages=MESSAGES)  # type: ignore[arg-type]
    assert answer.choices[0].message.content == TEXT
    assert answer.usage is not None
    assert answer.usage.prompt_tokens == 5
    assert answer._request_id
    assert answer._request_id == answer.request_id  # type: ignore[attr-defined]


def test_openais_sdk_reads_a_stream(sdk: openai.OpenAI) -> None:
    stream = sdk.chat.completions.create(
        model="test-ok",
        messages=MESSAGES,  # type: ignore[arg-type]
        stream=True,
        stream_options={"include_usage": True},
    )
    chunks = list(stream)
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == TEXT
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.total_tokens == 9


def test_openai_puts_a_stream_together(sdk: openai.OpenAI) -> None:
    with sdk.chat.completions.stream(model="test-cited", messages=MESSAGES) as stream:  # type: ignore[arg-type]
        message = stream.get_final_completion().choices[0].message
    assert (message.role, message.content) == ("assistant", TEXT)
    sources = [one.url_citation.url for one in message.annotations or ()]
    assert sources == [f"https://example.com/{at}" for at in range(len(WORDS))]


def test_openai_lists_models(sdk: openai.OpenAI) -> None:
    assert "test-ok" in {model.id for model in sdk.models.list()}
    assert sdk.models.retrieve("test-ok").owned_by


def test_openai_raises_typed_errors_in_our_words(sdk: openai.OpenAI, gateway: Gateway) -> None:
    def ask(client: openai.OpenAI, model: str) -> None:
        client.chat.completions.create(
            model=model,
            messages=MESSAGES,  # type: ignore[arg-type]
            extra_body={"fallback_config": {"retry": False}},
        )

    with pytest.raises(openai.NotFoundError, match="did you mean") as missing:
        ask(sdk, "test-okk")
    assert missing.value.request_id
    assert missing.value.type == "model_not_found"
    assert missing.value.param == "model"
    doubled = sdk.with_options(base_url=f"{gateway.url}/v1/chat/completions")
    with pytest.raises(openai.NotFoundError, match="did you mean '/v1/chat/completions'"):
        ask(doubled, "test-ok")
    with pytest.raises(openai.AuthenticationError, match="Unauthorized - Invalid or missing"):
        ask(sdk.with_options(api_key="wrong"), "test-ok")
    with pytest.raises(openai.PermissionDeniedError, match="region 'eu'"):
        ask(sdk.with_options(api_key=mint("eu", b"?" * 20)), "test-ok")
    with pytest.raises(openai.BadRequestError, match="missing required field 'model'"):
        sdk.post("/chat/completions", body={"messages": MESSAGES}, cast_to=object)
    with pytest.raises(openai.RateLimitError, match=r"slow down|limit"):
        ask(sdk, "test-busy")  # not one that another test waits for
    with pytest.raises(openai.InternalServerError) as broken:
        ask(sdk, "test-broken")
    assert broken.value.status_code == 503


def test_openai_does_not_repeat_what_would_fail_again(
    sdk: openai.OpenAI, provider: Provider
) -> None:
    patient = sdk.with_options(max_retries=2)
    known = len(provider.requests)
    with pytest.raises(openai.InternalServerError) as refused:
        patient.chat.completions.create(model="test-bad-key", messages=MESSAGES)  # type: ignore[arg-type]
    assert refused.value.response.headers["x-should-retry"] == "false"
    asked = [body["model"] for _, body in provider.requests[known:]]
    assert asked.count("test-bad-key") == 1


def test_openai_sees_a_cut_stream_as_an_error(sdk: openai.OpenAI) -> None:
    stream = sdk.chat.completions.create(
        model="test-cut",
        messages=MESSAGES,  # type: ignore[arg-type]
        stream=True,
    )
    with pytest.raises(openai.APIError, match=r"broke off|cut|closed|ended"):
        list(stream)


def test_langchain_reads_answers_and_streams(gateway: Gateway) -> None:
    from langchain_openai import ChatOpenAI  # takes a second, which one process of the tests needs

    model = ChatOpenAI(
        model="test-ok", base_url=f"{gateway.url}/v1", api_key=gateway.key  # type: ignore[arg-type]
    )  # fmt: skip
    assert model.invoke("Hello?").content == TEXT
    assert "".join(str(piece.content) for piece in model.stream("Hello?")) == TEXT
