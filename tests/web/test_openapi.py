"""`GET /openapi.json`."""

from __future__ import annotations

from typing import Any

import httpx
import jsonschema
import msgspec
import openapi_spec_validator
import pytest
from msgspec import Raw
from starlette.applications import Starlette

from callgate.core.chat import ChatBody, Chunk, Usage
from callgate.core.present import chunk_event, chunk_head, error_json, response_json
from callgate.core.record import Attempt
from callgate.core.response import ChatResponse
from callgate.core.validate import parse_chat
from callgate.errors import TAXONOMY, GatewayError
from callgate.web.openapi.document import OpenApi, document
from callgate.web.openapi.fields import NOTES

ID = "019b0000-0000-7000-8000-000000000000"
CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
NO_OPERATION = {"method_not_allowed", "client_disconnected", "answer_diverged"}


@pytest.fixture(scope="module")
def described() -> dict[str, Any]:
    return document(version="1.2.3", region="us", max_body_bytes=20_000_000, example_model="m")


def errors_of(document: dict[str, Any], schema: str, body: Any) -> list[str]:
    validator = jsonschema.Draft202012Validator(
        {"$ref": f"#/components/schemas/{schema}", "components": document["components"]}
    )
    return [error.message for error in validator.iter_errors(body)]


def operations(document: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return [
        (f"{method} {path}", operation)
        for path, item in document["paths"].items()
        for method, operation in item.items()
    ]


def test_the_document_is_valid_openapi(described: dict[str, Any]) -> None:
    openapi_spec_validator.validate(described)  # type: ignore[arg-type]


async def test_the_route_serves_the_document(described: dict[str, Any]) -> None:
    built = []

    def build() -> dict[str, Any]:
        built.append(1)
        return described

    transport = httpx.ASGITransport(app=Starlette(routes=OpenApi(build).routes()))
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
        assert not built
        for _ in range(2):
            response = await client.get("/openapi.json")
            assert response.json() == described
    assert len(built) == 1


def test_every_response_bears_the_request_id(described: dict[str, Any]) -> None:
    for name, operation in operations(described):
        for status, response in operation["responses"].items():
            assert "X-Request-Id" in response["headers"], (name, status)


def test_asking_a_model_and_looking_up_calls_need_a_key(
    described: dict[str, Any],
) -> None:
    keyed = {name for name, operation in operations(described) if operation["security"]}
    assert keyed == {
        "post /v1/chat/completions", "get /v1/requests", "get /v1/requests/{request_id}",
    }  # fmt: skip


def test_every_type_of_the_taxonomy_is_described_where_it_occurs(described: dict[str, Any]) -> None:
    for name, operation in operations(described):
        for status, response in operation["responses"].items():
            for line in response["description"].splitlines():
                if line.startswith("- `"):
                    assert TAXONOMY[line.split("`")[1]].status == int(status), name
    told = " ".join(
        response["description"]
        for _, operation in operations(described)
        for response in operation["responses"].values()
    )
    missing = {name for name in TAXONOMY if f"`{name}`" not in told}
    assert missing == NO_OPERATION


def test_retryable_refusals_name_the_wait(described: dict[str, Any]) -> None:
    responses = described["paths"]["/v1/chat/completions"]["post"]["responses"]
    assert [status for status, one in responses.items() if "Retry-After" in one["headers"]] == [
        "429",
        "503",
    ]


def test_every_field_of_a_request_is_explained() -> None:
    fields = {field.encode_name for field in msgspec.structs.fields(ChatBody)}
    assert fields == set(NOTES["ChatBody"])


def test_the_examples_are_requests_that_the_gateway_takes(described: dict[str, Any]) -> None:
    content = described["paths"]["/v1/chat/completions"]["post"]["requestBody"]["content"]
    examples = content["application/json"]["examples"]
    assert set(examples) == {"messages", "prompt", "stream"}
    for example in examples.values():
        assert errors_of(described, "ChatBody", example["value"]) == []
        parse_chat(msgspec.json.encode(example["value"]))


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"model": "m"},
        {"prompt": "x"},
        {"model": "m", "messages": None},
        {"model": "m", "messages": []},
        {"model": "m", "prompt": "x", "messages": [{"role": "user", "content": "x"}]},
        {"model": "m", "messages": [{"role": "user"}]},
        {"model": "m", "messages": [{"role": "tool", "content": "x"}]},
        {"model": "m", "prompt": "x", "max_tokens": 0},
        {"model": "m", "messages": [{"role": "poet", "content": "x"}]},
    ],
)
def test_requests_that_are_refused_do_not_fit_the_schema(
    described: dict[str, Any], body: dict[str, Any]
) -> None:
    assert errors_of(described, "ChatBody", body)
    with pytest.raises(GatewayError):
        parse_chat(msgspec.json.encode(body))


@pytest.mark.parametrize(
    "body",
    [
        {"model": "m", "prompt": "x", "messages": None, "future_field": {"a": 1}},
        {"model": "m", "messages": [{"role": "assistant", "tool_calls": [CALL]}]},
        {"model": "m", "messages": [{"role": "tool", "content": "x", "tool_call_id": "c1"}]},
        {"model": "m", "messages": [{"role": "user", "content": [{"type": "text", "text": "x"}]}]},
    ],
)
def test_requests_that_are_taken_fit_the_schema(
    described: dict[str, Any], body: dict[str, Any]
) -> None:
    assert errors_of(described, "ChatBody", body) == []
    parse_chat(msgspec.json.encode(body))


def test_answers_fit_their_schema(described: dict[str, Any]) -> None:
    answer = ChatResponse(
        id="chatcmpl-1",
        created=1,
        model="m-2026",
        choices=[
            {
                "index": 0,
                "message": {"role": "assistant", "content": None, "tool_calls": [CALL]},
                "finish_reason": "tool_calls",
                "native_finish_reason": "tool_use",
            }
        ],
        usage=Usage(
            input_tokens=5,
            output_tokens=3,
            total_tokens=8,
            input_details={"cached_tokens": 2},
            output_details={"reasoning_tokens": 1},
            estimated=True,
        ),
        extra={"system_fingerprint": "fp"},
    )
    body = response_json(
        answer,
        request_id=ID,
        model="m",
        parameters={"model": Raw(b'"m"')},
        llm_status=200,
        response_time_ns=12,
    )
    assert errors_of(described, "ChatCompletion", msgspec.json.decode(body)) == []


def test_chunks_fit_their_schema(described: dict[str, Any]) -> None:
    chunks = [
        Chunk(choices=[{"index": 0, "delta": {"content": "a"}, "finish_reason": None}]),
        Chunk(choices=[], usage=Usage(input_tokens=1, output_tokens=1, total_tokens=2)),
    ]
    for chunk in chunks:
        body = chunk_event(chunk_head(request_id=ID, model="m", id="c", created=1), chunk)[6:]
        assert errors_of(described, "ChatCompletionChunk", msgspec.json.decode(body)) == []


@pytest.mark.parametrize("type", sorted(TAXONOMY))
def test_every_error_fits_its_schema(described: dict[str, Any], type: str) -> None:  # noqa: A002
    attempt = Attempt(
        model="m", provider="p", deployment="d", upstream_model="u", host="h", started_us=0
    )
    error = GatewayError(type, "It failed.", param="messages[0]", errors=["a", "b"])
    body = msgspec.json.decode(error_json(error, request_id=ID, attempts=[attempt]))
    assert errors_of(described, "ErrorBody", body) == []
    del body["error"]["metadata"]["fix"]
    assert errors_of(described, "ErrorBody", body)
