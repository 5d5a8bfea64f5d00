"""Functions beside thoughts, at a provider that has them in its Responses API alone."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import closing, suppress
from typing import Any

import openai
import pytest

from callgate.engine.attempt import BESIDE
from callgate.errors import TAXONOMY
from gateway import PROVIDER_KEY, Gateway, serving
from loopserver import in_thread
from replies import Writer, head, send_json
from responseitems import answer, call, event, events_of, message, thought

CONFIG = """
[providers.openai]
base_url = "{base_url}"
api_key = "${{TEST_PROVIDER_KEY}}"
responses = true
[providers.only]
dialect = "responses"
base_url = "{base_url}"
api_key = "${{TEST_PROVIDER_KEY}}"
[models."gpt-6-sol"]
provider = "openai"
rate_limit = 100000
[models."some-model"]
provider = "only"
"""
TOOLS: list[Any] = [
    {
        "type": "function",
        "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}},
    }
]
HELLO: list[Any] = [{"role": "user", "content": "Is it sunny in Oslo?"}]
CALLING = answer(thought("gAAA"), message("Let me look.", phase="commentary"), call())
SAYING = answer(thought("gBBB"), message("It is sunny.", phase="final_answer"))
REFUSAL = (
    "Function tools with reasoning_effort are not supported for gpt-6-sol in /v1/chat/completions. "
    "To use function tools, use /v1/responses or set reasoning_effort to 'none'."
)


class OpenAI:
    """Both APIs of OpenAI's, as far as these tests go. `asked` are the paths and bodies."""

    def __init__(self) -> None:
        self.port = 0
        self.asked: list[tuple[str, dict[str, Any]]] = []

    async def serve(self, reader: asyncio.StreamReader, writer: Writer) -> None:
        """One connection: any number of requests."""
        with closing(writer), suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                lines = (await reader.readuntil(b"\r\n\r\n")).decode().lower().split("\r\n")
                length = next(line for line in lines if line.startswith("content-length"))
                body = json.loads(await reader.readexactly(int(length.split()[1])))
                path = lines[0].split()[1]
                self.asked.append((path, body))
                if path == "/v1/responses":
                    self._respond(writer, body)
                else:
                    self._complete(writer, body)
                await writer.drain()
                if writer.is_closing():
                    break

    def _respond(self, writer: Writer, body: dict[str, Any]) -> None:
        answered = body["input"][-1]["type"] == "function_call_output"
        whole = SAYING if answered else CALLING
        if not body.get("stream"):
            send_json(writer, 200, whole)
            return
        writer.write(head(200, "text/event-stream"))
        pieces = events_of(whole)
        if body.get("user") == "cut":
            pieces = pieces[:-1]
        if body.get("user") == "failed":
            error = {"code": "server_error", "message": "oops", "param": None}
            pieces = [*pieces[:2], event("error", **error)]
        for piece in pieces:
            writer.write(b"%x\r\n%b\r\n" % (len(piece), piece))
        writer.write(b"0\r\n\r\n")

    def _complete(self, writer: Writer, body: dict[str, Any]) -> None:
        if body.get("tools") and body.get("reasoning_effort") != "none":
            error = {"message": REFUSAL, "type": "invalid_request_error"}
            send_json(writer, 400, {"error": {**error, "param": "reasoning_effort"}})
            return
        choice = {
            "index": 0,
            "message": {"role": "assistant", "content": "By chat."},
            "finish_reason": "stop",
        }
        send_json(writer, 200, {"id": "x", "created": 1, "model": "m", "choices": [choice]})


@pytest.fixture(scope="module")
def upstream() -> Iterator[OpenAI]:
    both = OpenAI()
    with in_thread(both.serve) as both.port:
        yield both


@pytest.fixture(scope="module")
def gateway(upstream: OpenAI, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    folder = tmp_path_factory.mktemp("responses")
    base_url = f"http://127.0.0.1:{upstream.port}/v1"
    (folder / "callgate.toml").write_text(CONFIG.format(base_url=base_url))
    with serving(folder) as running:
        yield running


@pytest.fixture
def sdk(gateway: Gateway) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{gateway.url}/v1", api_key=gateway.key, max_retries=0) as client:
        yield client


@pytest.mark.parametrize("model", ["gpt-6-sol", "some-model"])
def test_a_loop_of_calls_goes_on_from_its_own_thoughts(
    sdk: openai.OpenAI, upstream: OpenAI, model: str
) -> None:
    first = sdk.chat.completions.create(
        model=model, messages=HELLO, tools=TOOLS, reasoning_effort="high"
    )
    (choice,) = first.choices
    assert (choice.finish_reason, choice.message.content) == ("tool_calls", "Let me look.")
    assert choice.message.tool_calls is not None
    (called,) = choice.message.tool_calls
    result = {"role": "tool", "tool_call_id": called.id, "content": "sun"}
    turns = [*HELLO, choice.message.model_dump(exclude_none=True), result]
    last = sdk.chat.completions.create(
        model=model, messages=turns, tools=TOOLS, reasoning_effort="high"
    )
    assert last.choices[0].message.content == "It is sunny."
    assert last.usage is not None
    assert last.usage.completion_tokens_details is not None
    assert last.usage.completion_tokens_details.reasoning_tokens == 7
    path, body = upstream.asked[-1]
    assert path == "/v1/responses"
    assert [item["type"] for item in body["input"]] == [
        "message", "reasoning", "message", "function_call", "function_call_output",
    ]  # fmt: skip
    assert body["input"][1]["encrypted_content"] == "gAAA"
    assert (body["store"], body["reasoning"]) == (False, {"effort": "high"})
    assert PROVIDER_KEY not in json.dumps(body)


def test_openais_sdk_reads_the_stream(sdk: openai.OpenAI) -> None:
    with sdk.chat.completions.stream(model="gpt-6-sol", messages=HELLO, tools=TOOLS) as stream:
        for _ in stream:
            pass
        whole = stream.get_final_completion()
    (choice,) = whole.choices
    assert (choice.finish_reason, choice.message.content) == ("tool_calls", "Let me look.")
    assert choice.message.tool_calls is not None
    assert choice.message.tool_calls[0].function.arguments == '{"city":"Oslo"}'


def test_what_chat_completions_serves_stays_there(gateway: Gateway, upstream: OpenAI) -> None:
    for more in ({}, {"tools": TOOLS, "reasoning_effort": "none"}, {"seed": 7}):
        with gateway.client() as client:
            asked = {"model": "gpt-6-sol", "messages": HELLO, **more}
            said = client.post("/v1/chat/completions", json=asked)
        assert said.json()["choices"][0]["message"]["content"] == "By chat."
        assert gateway.record(said.headers["x-request-id"]).get("notes", []) == []
        assert upstream.asked[-1][0] == "/v1/chat/completions"


def test_a_field_without_a_place_is_refused_by_name(sdk: openai.OpenAI, upstream: OpenAI) -> None:
    before = len(upstream.asked)
    with pytest.raises(openai.BadRequestError) as caught:
        sdk.chat.completions.create(model="gpt-6-sol", messages=HELLO, tools=TOOLS, seed=7)
    assert (caught.value.type, caught.value.param) == ("unsupported_field", "seed")
    assert len(upstream.asked) == before


def test_a_stream_that_is_cut_has_no_end(gateway: Gateway) -> None:
    asked = {"model": "gpt-6-sol", "messages": HELLO, "tools": TOOLS, "stream": True}
    with gateway.client() as client:
        said = client.post("/v1/chat/completions", json={**asked, "user": "cut"})
    lines = [line[6:] for line in said.text.split("\n\n") if line]
    assert json.loads(lines[-1])["error"]["type"] == "upstream_cut"
    assert "[DONE]" not in lines
    record = gateway.record(said.headers["x-request-id"])
    assert record["error"] == "upstream_cut"
    assert "finish_reason" not in record
    assert BESIDE in record["notes"]


def test_a_failure_before_anything_was_said_has_a_status_of_its_own(gateway: Gateway) -> None:
    asked = {
        "model": "gpt-6-sol", "messages": HELLO, "tools": TOOLS, "stream": True,
        "fallback_config": {"retry": False},
    }  # fmt: skip
    with gateway.client() as client:
        said = client.post("/v1/chat/completions", json={**asked, "user": "failed"})
        assert said.json()["error"]["type"] == "provider_unavailable"
        assert said.status_code == TAXONOMY["provider_unavailable"].status
