"""Answers brought into the form that was asked for, and what becomes of those that are not."""

from __future__ import annotations

import asyncio
import json
import sys
import threading
from collections.abc import Callable
from typing import Any, cast

import msgspec
import pytest

from callgate.core.chat import Usage
from callgate.core.http import Origin
from callgate.core.models import Deployment, Model
from callgate.core.record import Attempt
from callgate.core.request import ChatRequest
from callgate.core.response import ChatResponse
from callgate.core.schema.conformance import Checker, Verdict
from callgate.core.secret import Secret
from callgate.core.target import Target
from callgate.core.validate import parse_chat
from callgate.engine.call import Call
from callgate.engine.checkers import Checkers
from callgate.engine.shaping import ShapedAnswer, checked
from callgate.errors import GatewayError
from callgate.providers.registry import VENDORS

SCHEMA = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
    "required": ["name", "age"],
    "additionalProperties": False,
}
GOOD = '{"name": "Ada", "age": 36}'
BAD = '{"name": "Ada", "age": "36"}'
BROKEN = '```json\n{"name": "Ada", "age": 36,}\n```'


class Scripted:
    """Gives its answers one after another; keeps what it was asked."""

    def __init__(self, call: Call, *answers: Any) -> None:
        self._call = call
        self._answers = list(answers)
        self.asked: list[ChatRequest] = []

    async def __call__(self, target: Target, request: ChatRequest) -> ChatResponse:
        self.asked.append(request)
        attempt = Attempt(
            model="m", provider="p", deployment=target.deployment.id, upstream_model="u", host="h",
            started_us=0,
        )  # fmt: skip
        self._call.attempts.append(attempt)
        answer = self._answers.pop(0)
        if isinstance(answer, GatewayError | asyncio.CancelledError):
            raise answer
        choices = []
        for at, said in enumerate(answer if isinstance(answer, list) else [answer]):
            message = {"content": said} if isinstance(said, str) else dict(said)
            finish = message.pop("finish_reason", "stop")
            message["role"] = "assistant"
            choices.append({"index": at, "message": message, "finish_reason": finish})
        usage = Usage(input_tokens=10, output_tokens=5, total_tokens=15)
        return ChatResponse(id="1", created=1, model="m", choices=choices, usage=usage)


def target(vendor: str = "openai-compatible", model: str = "any") -> Target:
    deployment = Deployment(
        id=f"{vendor}/{model}", provider=vendor, vendor=VENDORS[vendor], upstream_model=model,
        origin=Origin("https", "h", 443), path="", secret=Secret(""),
    )  # fmt: skip
    return Target(Model(name="m", deployments=(deployment,)), deployment)


def request(form: Any = None, *, strict: bool = True, schema: Any = SCHEMA) -> ChatRequest:
    given = {"type": "json_schema", "json_schema": {"name": "p", "schema": schema}}
    if strict:
        given["json_schema"]["strict"] = True  # type: ignore[index]
    body = {
        "model": "m",
        "messages": [{"role": "user", "content": "Who?"}],
        "response_format": form or given,
    }
    return parse_chat(msgspec.json.encode(body))


@pytest.fixture
def call() -> Call:
    return Call("id", 1.0, "POST", "/v1/chat/completions")


Ask = Callable[..., Any]


async def answer_of(call: Call, at: Target, asked: ChatRequest, model: Scripted) -> ChatResponse:
    return await ShapedAnswer(call, at, asked, Checkers().form(asked), model).whole()


@pytest.fixture
def shaped(call: Call) -> Ask:
    """Asks a model that gives these answers; the answer, and the model."""

    async def ask(
        *answers: Any, asked: ChatRequest | None = None, at: Target | None = None
    ) -> tuple[ChatResponse, Scripted]:
        model = Scripted(call, *answers)
        return await answer_of(call, at or target(), asked or request(), model), model

    return ask


def content(answer: ChatResponse) -> Any:
    return answer.choices[0]["message"]["content"]


async def test_a_conforming_answer_is_given_to_the_byte(call: Call, shaped: Ask) -> None:
    answer, model = await shaped(GOOD)
    assert content(answer) == GOOD
    assert len(model.asked) == 1
    assert call.notes == []
    assert "metadata" not in answer.extra


async def test_broken_json_is_repaired_before_anybody_is_asked_again(
    call: Call, shaped: Ask
) -> None:
    answer, model = await shaped(BROKEN)
    assert json.loads(content(answer)) == {"name": "Ada", "age": 36}
    assert len(model.asked) == 1
    assert call.notes == ["the answer was repaired to be JSON"]


async def test_an_answer_that_is_said_twice_is_taken_once(call: Call, shaped: Ask) -> None:
    answer, model = await shaped(f"{GOOD}\n{GOOD}")
    assert content(answer) == GOOD
    assert len(model.asked) == 1


async def test_the_model_is_told_once_what_was_wrong(call: Call, shaped: Ask) -> None:
    answer, model = await shaped(BAD, GOOD)
    assert content(answer) == GOOD
    last = model.asked[1].messages[-2:]
    assert last[0].content == BAD
    assert 'age: value is not of type "integer"' in str(last[1].content)
    assert answer.usage == Usage(input_tokens=20, output_tokens=10, total_tokens=30)
    assert [one.error for one in call.attempts] == ["schema_violation", None]
    assert call.attempts[0].decision == "ask again"


async def test_a_refusal_is_told_of_the_attempt_whose_answer_it_was(call: Call) -> None:
    class Raced(Scripted):
        async def __call__(self, target: Target, request: ChatRequest) -> ChatResponse:
            answer = await super().__call__(target, request)
            other = msgspec.structs.replace(self._call.attempts[-1], deployment="beside it")
            self._call.attempts.append(other)
            return answer

    with pytest.raises(GatewayError):
        await answer_of(call, target(), request(), Raced(call, BAD, BAD))
    told = [(one.deployment, one.error) for one in call.attempts]
    mine = target().deployment.id
    other = ("beside it", None)
    assert told == [(mine, "schema_violation"), other, (mine, "schema_violation"), other]


async def test_an_answer_that_never_conforms_is_not_given(call: Call, shaped: Ask) -> None:
    with pytest.raises(GatewayError) as caught:
        await shaped(BAD, '{"age": 1}')
    error = caught.value
    assert error.kind.type == "schema_violation"
    assert error.errors == ('the answer: "name" is a required property',)
    assert "Ada" not in error.message
    assert call.usage == Usage(input_tokens=20, output_tokens=10, total_tokens=30)
    assert [used for _, used in call.parts] == [call.usage]
    assert [one.error for one in call.attempts] == ["schema_violation"] * 2


async def test_a_failure_of_the_second_attempt_does_not_hide_the_first(
    call: Call, shaped: Ask
) -> None:
    with pytest.raises(GatewayError) as caught:
        await shaped(BAD, GatewayError("context_too_long", "too long"))
    assert caught.value.kind.type == "schema_violation"
    assert call.notes == ["the model could not be asked again: too long"]
    assert call.usage == Usage(input_tokens=10, output_tokens=5, total_tokens=15)
    assert [used for _, used in call.parts] == [call.usage]


async def test_who_leaves_while_it_is_asked_again_owes_the_first_answer(
    call: Call, shaped: Ask
) -> None:
    elsewhere = (
        target("openai-compatible", "other"),
        Usage(input_tokens=1, output_tokens=0, total_tokens=1),
    )
    call.parts.append(elsewhere)  # another's answer that was refused
    with pytest.raises(asyncio.CancelledError):
        await shaped(BAD, asyncio.CancelledError())
    owed = Usage(input_tokens=10, output_tokens=5, total_tokens=15)
    assert [usage for _, usage in call.parts] == [elsewhere[1], owed]


@pytest.mark.parametrize(
    "unfinished",
    [
        {"content": '{"na', "finish_reason": "length"},
        {"content": None, "refusal": "I will not."},
        {"content": None, "finish_reason": "content_filter"},
        {"content": None, "tool_calls": [{"id": "c"}], "finish_reason": "tool_calls"},
    ],
)
async def test_what_is_no_finished_answer_passes_as_it_is(shaped: Ask, unfinished: Any) -> None:
    said = dict(unfinished)
    answer, model = await shaped(unfinished)
    assert content(answer) == said["content"]
    assert len(model.asked) == 1


async def test_every_choice_is_held_against_the_form(shaped: Ask) -> None:
    cut = {"content": '{"na', "finish_reason": "length"}
    answer, model = await shaped([cut, BAD], [cut, GOOD])
    assert len(model.asked) == 2
    assert [one["message"]["content"] for one in answer.choices] == ['{"na', GOOD]


@pytest.mark.parametrize("nothing", ["", None])
async def test_a_finished_answer_without_content_breaks_the_promise(
    shaped: Ask, nothing: Any
) -> None:
    with pytest.raises(GatewayError, match="the answer is empty"):
        await shaped({"content": nothing}, {"content": nothing})


async def test_without_a_promise_it_is_noted_and_given(call: Call, shaped: Ask) -> None:
    answer, model = await shaped(BAD, asked=request(strict=False))
    assert content(answer) == BAD
    assert len(model.asked) == 1
    told = answer.extra["metadata"]["response_format"]
    assert told == {"conforms": False, "violations": ['age: value is not of type "integer"']}
    assert "does not conform" in call.notes[0]


async def test_without_a_promise_a_providers_own_words_are_left_alone(shaped: Ask) -> None:
    answer, _ = await shaped(BROKEN, asked=request(strict=False))
    assert content(answer) == BROKEN
    assert answer.extra["metadata"]["response_format"]["conforms"] is False


async def test_what_instructions_brought_is_repaired_in_any_case(call: Call, shaped: Ask) -> None:
    answer, model = await shaped(BROKEN, asked=request(strict=False), at=target("bedrock", "ai21"))
    assert json.loads(content(answer)) == {"name": "Ada", "age": 36}
    assert model.asked[0].body.response_format is None
    assert call.notes[0] == "bedrock/ai21 was brought to answer in form by instructions"


async def test_a_forced_function_is_not_to_be_seen(call: Call, shaped: Ask) -> None:
    function = {"name": "p", "arguments": GOOD}
    calls = [{"id": "c", "type": "function", "function": function}]
    answer, model = await shaped(
        {"content": None, "tool_calls": calls, "finish_reason": "tool_calls"},
        at=target("anthropic", "claude-3-haiku"),
    )
    assert model.asked[0].body.tools
    (choice,) = answer.choices
    assert choice["message"] == {"role": "assistant", "content": GOOD}
    assert choice["finish_reason"] == "stop"
    assert call.notes == [
        "anthropic/claude-3-haiku was brought to answer in form by a function that it has to call"
    ]


async def test_any_object_is_a_promise_too(shaped: Ask) -> None:
    form = {"type": "json_object"}
    answer, _ = await shaped('{"a": 1}', asked=request(form))
    assert content(answer) == '{"a": 1}'
    answer, _ = await shaped("Sure: {'a': 1}", asked=request(form))
    assert json.loads(content(answer)) == {"a": 1}
    with pytest.raises(GatewayError, match="not an object"):
        await shaped("[1]", "[1]", asked=request(form))


async def test_text_is_no_form(shaped: Ask) -> None:
    answer, _ = await shaped("Hello", asked=request({"type": "text"}))
    assert content(answer) == "Hello"


async def test_without_the_extra_nothing_is_enforced_in_silence(
    call: Call, shaped: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "jsonschema_rs", None)
    with pytest.raises(GatewayError) as caught:
        await shaped(GOOD)
    assert caught.value.kind.type == "checker_missing"
    answer, _ = await shaped(BAD, asked=request(strict=False))
    assert content(answer) == BAD
    assert "not checked against its schema" in call.notes[0]
    answer, _ = await shaped('{"a": 1}', asked=request({"type": "json_object"}))
    assert content(answer) == '{"a": 1}'


async def test_a_large_answer_is_checked_beside_the_event_loop(shaped: Ask) -> None:
    schema = {"type": "array", "items": {"type": "integer"}}
    text = f"[{'1,' * 600_000}1]"
    answer, _ = await shaped(text, asked=request(schema=schema))
    assert content(answer) == text


class Watched:
    """A checker that notes on which threads it worked."""

    def __init__(self) -> None:
        self._checker = Checker(None)
        self.threads: list[threading.Thread] = []

    def work(self, text: str) -> int:
        return self._checker.work(text)

    def check(self, text: str) -> Verdict:
        self.threads.append(threading.current_thread())
        return self._checker.check(text)


@pytest.mark.parametrize(
    "text", ["{'a': '%s'}" % ("x" * 3_000), '{"a": 1}' * 2_000], ids=["broken", "said often"]
)
async def test_what_is_repaired_of_a_long_answer_is_checked_there_too(text: str) -> None:
    watched = Watched()
    mended, violations = await checked(cast("Checker", watched), text, mends=True)
    assert (mended is not None, violations) == (True, ())
    assert watched.threads[-1] is not threading.main_thread()


def test_checkers_are_remembered_within_bounds() -> None:
    checkers = Checkers(most=3)
    first = checkers.of(request())
    assert checkers.of(request()) is first
    for number in range(5):
        checkers.of(request(schema={"type": "string", "maxLength": number}))
    assert len(checkers) == 3
    assert checkers.of(request()) is not first


async def test_a_large_schema_is_prepared_beside_the_event_loop() -> None:
    checkers = Checkers()
    properties = {f"p{n}": {"type": "string"} for n in range(1000)}
    asked = request(schema={"type": "object", "properties": properties})
    await checkers.ready(asked)
    assert len(checkers) == 1
    with pytest.raises(GatewayError) as caught:
        await checkers.ready(request(schema={"type": "object", "properties": {"a": {"type": 5}}}))
    assert caught.value.param == "response_format.json_schema.schema.properties.a.type"


@pytest.mark.parametrize("astray", [json.dumps(SCHEMA), "A person.", '[{"name": 1}]'])
async def test_a_model_that_the_schema_leads_astray_is_shown_an_example_alone(
    call: Call, shaped: Ask, astray: str
) -> None:
    asked = request(schema={"$defs": {"p": SCHEMA}, "$ref": "#/$defs/p"})
    answer, model = await shaped(astray, GOOD, asked=asked, at=target("deepseek"))
    assert content(answer) == GOOD
    first, second = (one.messages for one in model.asked)
    assert [one.role for one in first] == ["system", "user"]
    assert [one.role for one in second] == ["user"]
    assert second[0].content == first[1].content
    assert str(second[0].content).endswith('nothing else:\n{"name":"text","age":1}')
    assert call.attempts[0].reason == "the model is shown an example instead of the schema"


async def test_a_model_that_came_near_hears_what_is_wrong(call: Call, shaped: Ask) -> None:
    asked = request(schema={"$defs": {"p": SCHEMA}, "$ref": "#/$defs/p"})
    _, model = await shaped(BAD, GOOD, asked=asked, at=target("deepseek"))
    assert [one.role for one in model.asked[1].messages] == ["system", "user", "assistant", "user"]
    assert call.attempts[0].reason == "the violations are named to the model"
