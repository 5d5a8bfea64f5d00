"""Answers in the form that `response_format` asks for, whatever the target has of its own.

`core.structured` says how a target is asked, `core.conformance` whether an answer conforms. Under
`strict`, and for `json_object`, an answer that was finished conforms or is not given: it is
repaired, asked for once more with its faults named, and in the end refused with
`schema_violation`, upon which the failover goes on to other targets. Without `strict` what is
wrong is noted, in the record and in the answer's `metadata`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

import msgspec

from callgate.core.chat import Chunk, Json, Usage
from callgate.core.conformance import Checker
from callgate.core.record import Attempt
from callgate.core.repair import repair, said_once
from callgate.core.request import ChatRequest
from callgate.core.response import ChatResponse
from callgate.core.structured import Plan, corrected, is_astray, plan, unwrapped
from callgate.core.target import Target
from callgate.core.usage import total
from callgate.engine.attempt import fail
from callgate.engine.call import Call
from callgate.engine.candidates import Candidate
from callgate.engine.checkers import Checkers, schema_of
from callgate.engine.contentfilter import note_used
from callgate.errors import GatewayError
from callgate.providers.forms import forms_of

Ask = Callable[[Target, ChatRequest], Awaitable[ChatResponse]]
METADATA = "response_format"
UNCHECKED = "the answer was not held against its schema, which cannot be checked here"
_AT_ONCE = 1_000_000
"""Work (`Checker.work`) beyond which a check leaves the event loop."""
_REPAIRED_AT_ONCE = 2_000
"""Characters of broken JSON beyond which its repair does."""


class Form(NamedTuple):
    """What one request's answer has to be; None where nothing is asked of it.

    `promised`: it conforms or it is not given. `known`: its schema can be checked here.
    """

    checker: Checker | None
    promised: bool = False
    known: bool = True


class Fault(NamedTuple):
    """A finished choice that does not conform."""

    text: str
    violations: Sequence[str]


class Shaping:
    """Brings targets to answer in form, and sees that they did."""

    def __init__(self, checkers: Checkers) -> None:
        self.checkers = checkers
        self._any_json = Checker(None, objects=False)

    def form(self, request: ChatRequest) -> Form:
        """What the answer has to be. Raises GatewayError for a form that cannot be had."""
        form = request.body.response_format
        assert form is not None
        if form.type == "text":
            return Form(None)
        _, strict = schema_of(form)
        checker = self.checkers.of(request)
        promised = strict or form.type == "json_object"
        return Form(checker or self._any_json, promised, known=checker is not None)

    async def whole(
        self, call: Call, target: Target, request: ChatRequest, ask: Ask
    ) -> ChatResponse:
        """The answer of one target, which `ask` gives. Raises GatewayError."""
        form = self.form(request)
        answer, fault = await self._once(call, target, request, form, ask)
        if fault is None:
            if not form.known:
                call.notes.append(UNCHECKED)
            return answer
        if not form.promised:
            note(call, answer, fault.violations)
            return answer
        return await self._again(call, target, request, form, ask, answer, fault)

    def plan(
        self, call: Call, target: Target, request: ChatRequest, *, plainly: bool = False
    ) -> Plan:
        """How the target is asked; noted where it is not by its own parameter."""
        form = request.body.response_format
        if form is None or form.type == "text":
            return Plan("native", request)
        made = plan(request, forms_of(target), plainly=plainly)
        if made.way != "native":
            words = f"{target.deployment.id} was brought to answer in form by {_WAYS[made.way]}"
            if words not in call.notes:
                call.notes.append(words)
        return made

    def holds_back(self, candidates: Sequence[Candidate]) -> bool:
        """Whether a streamed answer of these candidates is to be seen only when it is whole."""
        return any(
            candidate.request.body.response_format is not None and self._holds_back(candidate)
            for candidate in candidates
        )

    def _holds_back(self, candidate: Candidate) -> bool:
        form = candidate.request.body.response_format
        if form is None or form.type == "text":
            return False
        if schema_of(form)[1]:
            return True
        targets = [
            Target(candidate.model, deployment) for deployment in candidate.model.deployments
        ]
        return any(plan(candidate.request, forms_of(one)).way in _BY_WORDS for one in targets)

    async def _once(
        self,
        call: Call,
        target: Target,
        request: ChatRequest,
        form: Form,
        ask: Ask,
        *,
        plainly: bool = False,
    ) -> tuple[ChatResponse, Fault | None]:
        way = self.plan(call, target, request, plainly=plainly)
        answer = await ask(target, way.request)
        if way.tool:
            answer = unwrapped(answer, way.tool)
        if form.checker is None:
            return answer, None
        mends = form.promised or way.way != "native"
        return answer, await _judge(call, answer, form.checker, mends=mends)

    async def _again(
        self,
        call: Call,
        target: Target,
        request: ChatRequest,
        form: Form,
        ask: Ask,
        first: ChatResponse,
        fault: Fault,
    ) -> ChatResponse:
        """One more attempt, which is told what was wrong with the first."""
        refusal = violation(target, fault)
        attempt = _mark(call, target, refusal, first.usage)
        plainly = _is_astray(request, target, fault.text)
        attempt.decision = "ask again"
        if plainly:
            attempt.reason, told = "the model is shown an example instead of the schema", request
        else:
            attempt.reason = "the violations are named to the model"
            told = corrected(request, fault.text, fault.violations)
        try:
            answer, fault_again = await self._once(call, target, told, form, ask, plainly=plainly)
        except asyncio.CancelledError:  # what has been answered has its price all the same
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
        refusal = violation(target, fault_again)
        _mark(call, target, refusal, own)
        call.parts.append((target, answer.usage))
        raise refusal


async def _judge(
    call: Call, answer: ChatResponse, checker: Checker, *, mends: bool
) -> Fault | None:
    """The first finished choice that does not conform; those that can be are repaired."""
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
    """Whether instructions have led the model to something else altogether."""
    form = request.body.response_format
    schema = form.json_schema.schema if form is not None and form.json_schema is not None else None
    if schema is None or plan(request, forms_of(target)).way not in _BY_WORDS:
        return False
    if len(text) > _REPAIRED_AT_ONCE:
        return False  # whoever says so much is to hear what is wrong with it
    try:
        answer = msgspec.json.decode(repair(text).text)
    except (msgspec.MsgspecError, UnicodeError, RecursionError, GatewayError):
        answer = None
    return is_astray(schema, answer)


_BY_WORDS = ("object", "prompt")
"""Ways by which a model may say more than the JSON."""

_WAYS = {
    "tool": "a function that it has to call",
    "object": "instructions beside its JSON mode",
    "prompt": "instructions",
}


def _is_finished(choice: Json, message: Json) -> bool:
    """Whether the choice is an answer, and whole: not cut, refused, filtered or tool calls."""
    return (
        choice.get("finish_reason") == "stop"
        and not message.get("refusal")
        and not message.get("tool_calls")
    )


async def checked(checker: Checker, text: str, *, mends: bool) -> tuple[str | None, Sequence[str]]:
    """The repaired text, if it took that, and what is wrong with it all the same."""
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
    """The text repaired, and what is wrong with it. Raises GatewayError where it cannot be."""
    mended = said_once(text) or repair(text).text
    return mended, checker.check(mended).violations


def violation(target: Target, fault: Fault) -> GatewayError:
    """The error for an answer that does not conform."""
    return GatewayError(
        "schema_violation",
        f"The answer of {target.model.name!r} does not conform to response_format: "
        f"{fault.violations[0]}",
        param=METADATA,
        errors=fault.violations,
    )


def _mark(call: Call, target: Target, refusal: GatewayError, usage: Usage | None) -> Attempt:
    """Have the last attempt say that its answer was refused; what follows is said by others."""
    attempt = call.last_at(target)
    fail(attempt, refusal)
    attempt.usage = usage
    return attempt


def note(call: Call, answer: ChatResponse | Chunk, violations: Sequence[str]) -> None:
    """Tell in the record and in the answer's `metadata` that an answer does not conform."""
    call.notes.append(f"the answer does not conform to response_format: {violations[0]}")
    answer.extra = {**answer.extra, "metadata": metadata(answer.extra.get("metadata"), violations)}


def metadata(given: object, violations: Sequence[str]) -> Json:
    """The answer's `metadata`, with what was found added to what the provider says there."""
    told = {"conforms": False, "violations": list(violations)}
    return {**(given if isinstance(given, dict) else {}), METADATA: told}
