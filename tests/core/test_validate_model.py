"""What a chosen model cannot honour is refused with its name."""

from __future__ import annotations

import json
from typing import Any

import pytest

from callgate.core.models import Model
from callgate.core.request import ChatRequest
from callgate.core.validate import check_model, parse_chat
from callgate.errors import GatewayError


def chat(**fields: Any) -> bytes:
    messages = [{"role": "user", "content": "Hi"}]
    return json.dumps({"model": "m", "messages": messages} | fields).encode()


def parts(*content: Any) -> bytes:
    return chat(messages=[{"role": "user", "content": list(content)}])


def model(**fields: Any) -> Model:
    return Model(name="m", deployments=(), **fields)


def test_a_model_that_honours_everything_takes_the_request() -> None:
    chosen = model(max_output_tokens=100, supported_parameters=("temperature",))
    request = parse_chat(
        chat(max_tokens=100, temperature=1, n=1, top_p=None, stream=True, stream_options={},
             user="u", metadata={}, fallbacks=[], model_region="eu", other=1)
    )  # fmt: skip
    check_model(request, chosen)
    check_model(parse_chat(chat(max_tokens=10**9, top_k=5)), model())
    check_model(parse_chat(b'{"model":"m","prompt":"Hi"}'), chosen)
    check_model(parse_chat(chat(__class__=1, __struct_fields__=[])), chosen)
    image = parse_chat(parts({"type": "image_url", "image_url": "https://x/y.png"}))
    check_model(image, model())
    check_model(image, model(input_modalities=("text", "image")))


@pytest.mark.parametrize(
    ("request_", "chosen", "kind", "param", "text"),
    [
        (parse_chat(chat(max_tokens=101)), model(max_output_tokens=100), "invalid_field",
         "max_tokens", "must be between 1 and 100 for the model 'm', got 101"),
        (parse_chat(chat(max_completion_tokens=101)), model(max_output_tokens=100),
         "invalid_field", "max_completion_tokens",
         "must be between 1 and 100 for the model 'm', got 101"),
        (parse_chat(chat(top_k=5)), model(supported_parameters=("tools",)), "unsupported_field",
         "top_k", "not supported by the model 'm'"),
        (parse_chat(chat(n=2)), model(supported_parameters=("tools",)), "unsupported_field",
         "n", "not supported by the model 'm'"),
        (parse_chat(parts({"type": "text", "text": "a"},
                          {"type": "image_url", "image_url": "https://x/y.png"})),
         model(input_modalities=("text",)), "unsupported_field", "messages[0].content[1]",
         "the model 'm' does not accept image input"),
    ],
)  # fmt: skip
def test_what_a_model_cannot_honour_is_named(
    request_: ChatRequest, chosen: Model, kind: str, param: str, text: str
) -> None:
    with pytest.raises(GatewayError) as caught:
        check_model(request_, chosen)
    assert caught.value.kind.type == kind
    assert caught.value.param == param
    assert caught.value.message == f"Invalid request: {param}: {text}"


def test_all_that_a_model_cannot_honour_is_listed() -> None:
    request = parse_chat(chat(max_tokens=9, top_k=1, temperature=1))
    with pytest.raises(GatewayError) as caught:
        check_model(request, model(max_output_tokens=5, supported_parameters=("seed",)))
    assert caught.value.kind.type == "invalid_field"
    assert [text.partition(":")[0] for text in caught.value.errors] == [
        "max_tokens",
        "top_k",
        "temperature",
    ]
