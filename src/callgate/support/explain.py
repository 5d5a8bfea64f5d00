"""From a record to the story that a person can act on: what happened, whose fault, what to do."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from callgate.core.record import BEGUN, Attempt, Record
from callgate.errors import TAXONOMY, Kind
from callgate.store.base import Tally
from callgate.support.around import around
from callgate.support.story import Ending, ExplainedRecord, Fact, Span, Step, Story
from callgate.support.timeline import duration

_FAULTS = {
    "client": "the caller",
    "gateway": "this gateway: its operator has to change something",
    "upstream": "the provider",
}
_SPENT = "budget_exhausted"
_OF_THE_GATEWAY = ("internal_error", "overloaded")
"""What is no provider's doing, even if it befell an attempt."""
_FINISHES = {
    "length": "The answer stopped at its limit of tokens; raise `max_tokens` for a longer one.",
    "content_filter": "The provider's content policy cut the answer short.",
}
_WAYS = {
    "prefill": "was given that much and went on (prefill)",
    "match": "answered from the start, began with exactly that and went on",
}
_PARAMETERS_SHOWN = 500


def explain(
    record: Record, tallies: Sequence[Tally] = (), *, contact: str = "", status_url: str = ""
) -> Story:
    """The story of a record. `contact` and `status_url` are the operator's own support; `tallies`
    count the calls that `around.neighbours` asks for.
    """
    outcome = _outcome(record)
    kind = TAXONOMY.get(record.error or "")
    failed = outcome != "answered"
    return Story(
        request_id=record.request_id,
        outcome=outcome,
        verdict=_verdict(record, outcome),
        message=record.message if failed else None,
        errors=list(record.errors) if failed else [],
        detail=record.detail if record.detail != record.message else None,
        asked=_asked(record),
        steps=[_step(at, attempt) for at, attempt in enumerate(record.attempts, 1)],
        total_us=record.total_us,
        first_token_us=None if outcome in ("failed", "refused") else record.first_token_us,
        spans=_spans(record),
        fault=_fault(record, kind) if failed else None,
        cause=(record.cause or (kind.cause if kind else None)) if failed else None,
        fix=(record.fix or (kind.fix if kind else None)) if failed else None,
        retry=_retry(kind) if failed else None,
        quotes=_quotes(record, contact, status_url) if failed else _provider_ids(record),
        around=around(record, tallies),
        usage=_usage(record),
        notes=[*record.notes, *_remarks(record)],
    )


def explained(record: Record, story: Story) -> ExplainedRecord:
    """The record and its story as one."""
    return ExplainedRecord(**msgspec.structs.asdict(record), explanation=story)


def for_caller(record: Record) -> Record:
    """A record as the caller may see it.

    Without what is the operator's alone: the hosts of providers, where payloads are kept, and what
    providers said but of the caller's own mistakes; it may speak of the operator's account.
    """
    return msgspec.structs.replace(
        record,
        detail=None,
        captured="yes" if record.captured else None,
        attempts=[_shown(attempt) for attempt in record.attempts],
    )


def _shown(attempt: Attempt) -> Attempt:
    kind = TAXONOMY.get(attempt.error or "")
    said = attempt.message if kind is not None and kind.origin == "client" else None
    return msgspec.structs.replace(attempt, host="", message=said, body=None)


def _outcome(record: Record) -> Ending:
    if record.error is None and record.status < 400:
        return "answered"
    if record.error == "client_disconnected":
        return "abandoned"
    if BEGUN in record.notes:
        return "cut"
    origin = record.origin or ("client" if record.status < 500 else "gateway")
    return "refused" if origin == "client" else "failed"


def _verdict(record: Record, outcome: Ending) -> str:
    tries = len(record.attempts)
    after = f" after {tries} attempts" if tries > 1 else ""
    took = f"{after} in {duration(record.total_us)}"
    error = f"{record.status} {record.error}" if record.error else str(record.status)
    if outcome == "answered":
        return f"{record.status}{_by(record)}{took}" + (", streamed" if record.stream else "")
    if outcome == "abandoned":
        when = duration(record.total_us) + (f" and {tries} attempts" if tries > 1 else "")
        return f"{error}: the caller left after {when}, {_got(record)}"
    if outcome == "refused" and not any(map(_was_sent, record.attempts)):
        return f"{error} by the gateway{took}; nothing was sent to a provider"
    culprit = _culprit(record)
    at = f" at {culprit.provider}" if culprit is not None else ""
    if outcome == "cut":
        return (
            f"{error}{at}{took}: the stream had begun with status 200 and broke off; "
            "what the caller got is not a whole answer"
        )
    return f"{error}{at}{took}"


def _got(record: Record) -> str:
    """How far the answer had come to a caller who left."""
    if not record.response_bytes:
        return "before anything of the answer was sent"
    return f"when {record.response_bytes} bytes of the answer had been sent"


def _culprit(record: Record) -> Attempt | None:
    """The attempt whose failure became the call's, if it was one's.

    It need not be the last: a stream that could not be continued fails as it broke off, and its
    record names the provider of that. Records for callers lack the words to tell attempts by.
    """
    if record.error in _OF_THE_GATEWAY:
        return None
    same = [one for one in record.attempts if one.error == record.error and _was_sent(one)]
    told = record.detail or record.message
    exact = [one for one in same if one.message == told]
    there = [one for one in same if one.provider == record.provider]
    others = record.attempts if record.origin == "upstream" else []
    return next((group[-1] for group in (exact, there, same, others) if group), None)


def _was_sent(attempt: Attempt) -> bool:
    """Whether anything went out: what a dialect cannot express is refused before."""
    return attempt.status is not None or attempt.error != "unsupported_field"


def _by(record: Record) -> str:
    served = record.model_served
    if not served:
        return ""
    by = f" by {served}" + (f" at {record.provider}" if record.provider else "")
    return by if served == record.model else f"{by}, in place of {record.model},"


def _asked(record: Record) -> list[Fact]:
    stream = ", streamed" if record.stream else ""
    plural = "" if record.message_count == 1 else "s"
    prompt = f"{record.message_count} message{plural}, {record.prompt_bytes} bytes"
    if record.prompt_sha256:
        prompt += f", SHA-256 {record.prompt_sha256[:12]}…"
    parameters = ""
    if record.parameters:
        parameters = msgspec.json.encode(record.parameters).decode()
        if len(parameters) > _PARAMETERS_SHOWN:
            parameters = parameters[: _PARAMETERS_SHOWN - 1] + "…"
    facts = [
        Fact("call", f"{record.method} {record.path}{stream}"),
        Fact("region", record.region),
        Fact("model", record.model or ""),
        Fact("prompt", prompt if record.message_count or record.prompt_bytes else ""),
        Fact("parameters", parameters),
        Fact("not kept", _omitted(record)),
        Fact("field at fault", record.param or ""),
        Fact("account", record.account or ""),
        Fact("key", record.key_id or "none that is valid"),
        Fact("caller", record.client or ""),
        Fact("caller's own id", record.client_request_id or ""),
        Fact("user agent", record.user_agent or ""),
        Fact("captured", record.captured or ""),
    ]
    return [fact for fact in facts if fact.value]


def _omitted(record: Record) -> str:
    left = record.parameters_omitted
    if left is None:
        return ""
    names = ", ".join(left.names) + (", …" if left.count > len(left.names) else "")
    plural = "" if left.count == 1 else "s"
    return f"{left.count} long parameter{plural}, {left.bytes} bytes: {names}"


def _step(number: int, attempt: Attempt) -> Step:
    target = f"{attempt.model} at {attempt.provider}"
    if attempt.upstream_model != attempt.model:
        target += f" as {attempt.upstream_model}"
    got = "no answer" if _was_sent(attempt) else "not sent"
    parts = [str(attempt.status) if attempt.status else got, attempt.error or ""]
    return Step(
        number=number,
        target=f"{target} ({attempt.host})" if attempt.host else target,
        provider=attempt.provider,
        started_us=attempt.started_us,
        duration_us=attempt.duration_us,
        ok=attempt.error is None,
        status=attempt.status,
        outcome=" ".join(filter(None, parts)),
        connect_us=attempt.connect_us,
        headers_us=attempt.headers_us,
        first_token_us=attempt.first_token_us,
        said=attempt.message,
        body=None if attempt.body and attempt.body in (attempt.message or "") else attempt.body,
        provider_request_id=attempt.provider_request_id,
        decision=attempt.decision,
        reason=attempt.reason,
    )


def _spans(record: Record) -> list[Span]:
    """Gateway, upstream, and what is neither's work: the line and the pauses between attempts."""
    if not record.total_us:
        return []
    queue = min(record.queue_us, record.total_us)
    upstream = min(record.upstream_us, record.total_us - queue)
    pauses = min(record.paused_us, record.total_us - queue - upstream)
    spans = [
        Span("gateway", record.total_us - queue - upstream - pauses),
        Span("upstream", upstream),
    ]
    rest = [Span("waiting for a place", queue), Span("pauses between attempts", pauses)]
    return spans + [span for span in rest if span.us]


def _fault(record: Record, kind: Kind | None) -> str | None:
    origin = record.origin or (kind.origin if kind else "")
    if record.error == _SPENT:
        return "a budget that the operator has set: it is spent"
    if origin == "client" and kind is not None and not kind.retryable:
        return "the caller: the request has to change"
    culprit = _culprit(record)
    if origin == "upstream" and culprit is not None:
        return f"the provider {culprit.provider}"
    return _FAULTS.get(origin)


def _retry(kind: Kind | None) -> str | None:
    if kind is None:
        return None
    if kind.type == _SPENT:
        return "would fail until the day or month is over, or the budget is raised"
    return "the same request may succeed later" if kind.retryable else "would fail in the same way"


def _provider_ids(record: Record) -> list[Fact]:
    return [
        Fact(attempt.provider, f"request id {attempt.provider_request_id}")
        for attempt in record.attempts
        if attempt.provider_request_id
    ]


def _quotes(record: Record, contact: str, status_url: str) -> list[Fact]:
    quotes = _provider_ids(record)
    if contact:
        quotes.append(Fact("the operator", f"request id {record.request_id}, to {contact}"))
    if status_url:
        quotes.append(Fact("status page", status_url))
    return quotes


def _usage(record: Record) -> list[Fact]:
    usage = record.usage
    if usage is None:
        return _unused(record)
    source = "estimated" if usage.estimated else "as the provider reported"
    details = {**(usage.input_details or {}), **(usage.output_details or {})}
    told = ", ".join(
        f"{name.removesuffix('_tokens').replace('_', ' ')} {count}"
        for name, count in details.items()
        if isinstance(count, int) and count
    )
    facts = [
        Fact("tokens", f"{usage.input_tokens} in + {usage.output_tokens} out, {source}"),
        Fact("of these", told),
        Fact("given up", _given_up(record)),
        Fact("cost", "no price known" if record.cost_usd is None else f"${record.cost_usd:.6f}"),
        Fact("finish", _finish(record)),
    ]
    return [fact for fact in facts if fact.value]


def _given_up(record: Record) -> str:
    """What is charged beside the answer: prompts of attempts that nobody waited for any longer."""
    asked = [one.usage for one in record.attempts if one.first_token_us is None]
    read = sum(usage.input_tokens for usage in asked if usage is not None and usage.estimated)
    if not read or record.error is not None:  # of a failed call, the tokens above have them
        return ""
    return f"{read} in, estimated, of attempts that were given up; cost and limits have them too"


def _unused(record: Record) -> list[Fact]:
    """What is to be said of the cost of a call of which no usage is known."""
    if record.error is None and record.status < 400:
        return []  # no answer of a model
    if not any(map(_was_sent, record.attempts)):
        return [Fact("cost", "nothing: no provider was asked")]
    return [Fact("cost", "none known: no provider reported any use of tokens")]


def _finish(record: Record) -> str:
    finish, native = record.finish_reason, record.native_finish_reason
    if finish and native and native != finish:
        return f"{finish} (the provider's word: {native})"
    return finish or ""


def _remarks(record: Record) -> list[str]:
    remarks = [
        f"The answer broke off after {splice.characters} characters; attempt {splice.attempt + 1} "
        f"{_WAYS.get(splice.way) or f'went on ({splice.way})'}."
        for splice in record.splices
    ]
    remark = _FINISHES.get(record.finish_reason or "")
    remarks += _mendings(record)
    return [*remarks, remark] if remark else remarks


def _mendings(record: Record) -> list[str]:
    """What post-processing did to the answer that was given."""
    mended = record.attempts[-1].post_processing if record.attempts else ()
    return [f"{one.step} changed {one.where}: {', '.join(one.what)}" for one in mended]
