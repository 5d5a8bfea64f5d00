"""Answers in the form that `response_format` asks for, whether or not the target supports it.

`core.structured` says how to ask a target, `core.schema.conformance` whether an answer conforms.
Under `strict`, and for `json_object`, a finished answer either conforms or is not delivered: it is
repaired, then asked for once more with its faults named, and finally rejected with
`schema_violation`, after which failover goes on to other targets. Without `strict`, violations are
noted in the record and in the answer's `metadata`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

import msgspec

from callgate.core.chat import Chunk, Json, Usage
from callgate.core.repair.repair import repair, said_once
from callgate.core.request import ChatRequest
from callgate.core.response import ChatResponse
from callgate.core.schema.conformance import Checker
from callgate.core.structured import Plan, corrected, is_astray, plan, unwrapped
from callgate.core.target import Target
from callgate.core.usage import total
from callgate.engine.attempt import fail
from callgate.engine.call import Call
from callgate.engine.candidates import Candidate
from callgate.engine.checkers import Form, schema_of
from callgate.engine.contentfilter import note_used
from callgate.errors import GatewayError
from callgate.providers.forms import forms_of

Ask = Callable[[Target, ChatRequest], Awaitable[ChatResponse]]
_FIELD = "response_format"
UNCHECKED = "the answer was not checked against its schema: schemas cannot be checked here"
_AT_ONCE = 1_000_000
"""Work (`Checker.work`) beyond which a check leaves the event loop."""
_REPAIRED_AT_ONCE = 2_000
"""Characters of broken JSON beyond which its repair does."""


class Fault(NamedTuple):
    """A finished choice that does not conform."""

    text: str
    violations: Sequence[str]


class ShapedAnswer:
    """One target's whole answer in the form that the request asks for; `ask` asks the target."""

    def __init__(
        self, call: Call, target: Target, request: ChatRequest, form: Form, ask: Ask
    ) -> None:
        self._call = call
        self._target = target
        self._request = request
        self._form = form
        self._ask = ask

    async def whole(self) -> ChatResponse:
        """The answer. Raises GatewayError."""
        call, form = self._call, self._form
        answer, fault = await self._once(self._request)
        if fault is None:
            if not form.known:
                call.notes.append(UNCHECKED)
            return answer
        if not form.promised:
            note(call, answer, fault.violations)
            return answer
        return await self._again(answer, fault)

    async def _once(
        self, request: ChatRequest, *, plainly: bool = False
    ) -> tuple[ChatResponse, Fault | None]:
        form = self._form
        way = planned(self._call, self._target, request, plainly=plainly)
        answer = await self._ask(self._target, way.request)
        if way.tool:
            answer = unwrapped(answer, way.tool)
        if form.checker is None:
            return answer, None
        mends = form.promised or way.way != "native"
        return answer, await _judge(self._call, answer, form.checker, mends=mends)

    async def _again(self, first: ChatResponse, fault: Fault) -> ChatResponse:
        """One more attempt, in which the model is told what was wrong with the first."""
        call, target, request = self._call, self._target, self._request
        refusal = self._refuse(fault, first.usage)
        attempt = call.last_at(target)
        plainly = _is_astray(request, target, fault.text)
        attempt.decision = "ask again"
        if plainly:
            attempt.reason, told = "the model is shown an example instead of the schema", request
        else:
            attempt.reason = "the violations are named to the model"
            told = corrected(request, fault.text, fault.violations)
        try:
            answer, fault_again = await self._once(told, plainly=plainly)
        except asyncio.CancelledError:  # the first answer is paid for all the same
            note_used(call, target, first.usage)
            raise
        except GatewayError as error:
            call.notes.append(f"the model could not be asked again: {error.message}")
            call.usage = first.usage
            note_used(call, target, first.usage)
            raise refusal from None
        own = answer.usage
        answer.usage = total(one for one in (first.usage, own) if one is not None)
        if fault_again is None:
            call.notes.append("the usage is that of two attempts: the first did not conform")
            return answer
        call.usage = answer.usage
        call.parts.append((target, answer.usage))
        raise self._refuse(fault_again, own)

    def _refuse(self, fault: Fault, usage: Usage | None) -> GatewayError:
        """Record on the last attempt that its answer was rejected; returns the error."""
        model = self._target.model.name
        refusal = GatewayError(
            "schema_violation",
            f"The answer of {model!r} does not conform to response_format: {fault.violations[0]}",
            param=_FIELD,
            errors=fault.violations,
        )
        attempt = self._call.last_at(self._target)
        fail(attempt, refusal)
        attempt.usage = usage
        return refusal


def planned(call: Call, target: Target, request: ChatRequest, *, plainly: bool = False) -> Plan:
    """How to ask the target; noted on the call unless it is by the target's own parameter."""
    form = request.body.response_format
    if form is None or form.type == "text":
        return Plan("native", request)
    made = plan(request, forms_of(target), plainly=plainly)
    if made.way != "native":
        words = f"{target.deployment.id} was brought to answer in form by {_WAYS[made.way]}"
        if words not in call.notes:
            call.notes.append(words)
    return made


def is_held_back(candidate: Candidate) -> bool:
    """Whether a streamed answer of the candidate has to be held back until it is complete."""
    form = candidate.request.body.response_format
    if form is None or form.type == "text":
        return False
    if schema_of(form)[1]:
        return True
    targets = [Target(candidate.model, deployment) for deployment in candidate.model.deployments]
    return any(plan(candidate.request, forms_of(one)).way in _BY_WORDS for one in targets)


async def _judge(
    call: Call, answer: ChatResponse, checker: Checker, *, mends: bool
) -> Fault | None:
    """The first finished choice that does not conform, after repairing those that can be."""
    for choice in answer.choices:
        message = choice["message"]
        if not _is_finished(choice, message):
            continue
        text = message.get("content") or ""
        mended, violations = await checked(checker, text, mends=mends)
        if violations:
            return Fault(text, violations)
        if mended is not None:
            message["content"] = mended
            call.notes.append("the answer was repaired to be JSON")
    return None


def _is_astray(request: ChatRequest, target: Target, text: str) -> bool:
    """Whether the instructions have led the model to answer with something else altogether."""
    form = request.body.response_format
    schema = form.json_schema.schema if form is not None and form.json_schema is not None else None
    if schema is None or plan(request, forms_of(target)).way not in _BY_WORDS:
        return False
    if len(text) > _REPAIRED_AT_ONCE:
        return False  # a model that says so much is better told what is wrong with it
    try:
        answer = msgspec.json.decode(repair(text).text)
    except (msgspec.MsgspecError, UnicodeError, RecursionError, GatewayError):
        answer = None
    return is_astray(schema, answer)


_BY_WORDS = ("object", "prompt")
"""Ways of asking in which a model may say more than the JSON."""

_WAYS = {
    "tool": "a function that it has to call",
    "object": "instructions beside its JSON mode",
    "prompt": "instructions",
}


def _is_finished(choice: Json, message: Json) -> bool:
    """Whether the choice is a complete answer: not cut, refused, filtered or tool calls."""
    return (
        choice.get("finish_reason") == "stop"
        and not message.get("refusal")
        and not message.get("tool_calls")
    )


async def checked(checker: Checker, text: str, *, mends: bool) -> tuple[str | None, Sequence[str]]:
    """The repaired text, if it needed repair, and its remaining violations."""
    slow = checker.work(text) > _AT_ONCE
    verdict = await asyncio.to_thread(checker.check, text) if slow else checker.check(text)
    if verdict.parsed or not mends:
        return None, verdict.violations
    slow = slow or len(text) > _REPAIRED_AT_ONCE
    try:
        return await asyncio.to_thread(_mended, checker, text) if slow else _mended(checker, text)
    except GatewayError:
        return None, verdict.violations


def _mended(checker: Checker, text: str) -> tuple[str, Sequence[str]]:
    """The repaired text and its violations. Raises GatewayError if it cannot be repaired."""
    mended = said_once(text) or repair(text).text
    return mended, checker.check(mended).violations


def note(call: Call, answer: ChatResponse | Chunk, violations: Sequence[str]) -> None:
    """Note in the record and in the answer's `metadata` that an answer does not conform."""
    call.notes.append(f"the answer does not conform to response_format: {violations[0]}")
    given = answer.extra.get("metadata")
    told = {**given} if isinstance(given, dict) else {}
    told[_FIELD] = {"conforms": False, "violations": list(violations)}
    answer.extra = {**answer.extra, "metadata": told}
