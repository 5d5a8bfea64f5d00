"""Several mistakes of one request: each is listed, and none that only follows from another."""

from __future__ import annotations

import json

import pytest

from callgate.core.validate import parse_chat
from callgate.errors import GatewayError


def refusal(**body: object) -> GatewayError:
    with pytest.raises(GatewayError) as caught:
        parse_chat(json.dumps({"model": "m"} | body).encode())
    return caught.value


def test_a_message_that_is_wrong_hides_nothing_of_the_others() -> None:
    error = refusal(
        messages=[
            {"role": "user", "content": 1},
            {"role": "user"},
            {"role": "user", "content": [{}]},
        ],
        tools=[{"type": "function"}],
        seed="x",
    )
    assert error.errors == (
        "messages[0].content: expected a string or an array, got an integer",
        "missing required field 'messages[2].content[0].type'",
        "missing required field 'messages[1].content'",
        "seed: expected an integer, got a string",
        "missing required field 'tools[0].function'",
    )


@pytest.mark.parametrize("prompt", ["", ["a"], 5])
def test_a_prompt_that_is_wrong_is_not_said_to_be_missing(prompt: object) -> None:
    error = refusal(prompt=prompt)
    assert (error.kind.type, error.param, len(error.errors)) == ("invalid_field", "prompt", 1)


def test_an_unknown_field_of_an_object_of_callgates_own_is_refused() -> None:
    error = refusal(prompt="Hello", fallback_config={"retries": 1}, other=1)
    assert error.param == "fallback_config.retries"
    assert error.message.endswith(
        "unknown field; there are depth, hedge, mid_stream, on_content_filter, retry"
    )
