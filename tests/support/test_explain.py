"""The story of a record: outcome, fault, cause, fix, and where the time went."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

import samples
from callgate.core.chat import Usage
from callgate.core.record import Attempt, OmittedParameters, Record
from callgate.errors import TAXONOMY, Kind
from callgate.support.explain import explain, for_caller
from callgate.support.story import Fact

TIMES = st.integers(0, 10**10)
TEXTS = st.text(max_size=20)
ERRORS = st.none() | st.sampled_from(sorted(TAXONOMY)) | st.just("of_another_version")
ORIGINS = st.none() | st.sampled_from(["client", "gateway", "upstream"])
ATTEMPTS = st.builds(
    Attempt,
    model=TEXTS,
    provider=TEXTS,
    host=TEXTS,
    started_us=TIMES,
    duration_us=TIMES,
    connect_us=st.none() | TIMES,
    first_token_us=st.none() | TIMES,
    status=st.none() | st.integers(100, 599),
    error=ERRORS,
    message=st.none() | TEXTS,
)
RECORDS = st.builds(
    Record,
    time=st.integers(0, 2**48),
    status=st.integers(100, 599),
    stream=st.booleans(),
    parameters=st.none(),
    error=ERRORS,
    origin=ORIGINS,
    total_us=TIMES,
    upstream_us=TIMES,
    queue_us=TIMES,
    paused_us=TIMES,
    usage=st.none() | st.builds(Usage, input_details=st.none(), output_details=st.none()),
    attempts=st.lists(ATTEMPTS, max_size=4),
)


@given(RECORDS)
def test_every_record_has_a_story_whose_times_add_up(record: Record) -> None:
    story = explain(record)
    assert story.verdict.startswith(str(record.status))
    assert sum(span.us for span in story.spans) == record.total_us
    assert all(span.us >= 0 for span in story.spans)
    assert len(story.steps) == len(record.attempts)
    assert (story.outcome == "answered") == (record.error is None and record.status < 400)
    msgspec.json.encode(story)


@pytest.mark.parametrize("kind", TAXONOMY.values(), ids=lambda kind: kind.type)
def test_every_row_of_the_taxonomy_is_told_with_fault_cause_and_fix(kind: Kind) -> None:
    record = samples.answered(
        status=kind.status, error=kind.type, origin=kind.origin, message="So it was."
    )
    story = explain(record)
    expected = {"client": "refused", "gateway": "failed", "upstream": "failed"}[kind.origin]
    assert story.outcome == ("abandoned" if kind.type == "client_disconnected" else expected)
    assert kind.type in story.verdict
    assert (story.message, story.cause, story.fix) == ("So it was.", kind.cause, kind.fix)
    who = {"client": "the caller", "gateway": "this gateway", "upstream": "the provider openai"}
    own = {"budget_exhausted": "a budget"}
    assert story.fault is not None
    assert story.fault.startswith(own.get(kind.type, who[kind.origin]))
    assert story.retry is not None
    assert story.retry.startswith("the same" if kind.retryable else "would fail")


def test_a_spent_budget_is_not_the_requests_fault() -> None:
    story = explain(samples.refused(status=429, error="budget_exhausted"))
    assert story.fault == "a budget that the operator has set: it is spent"
    assert story.retry == "would fail until the day or month is over, or the budget is raised"


def test_an_answer_has_no_fault() -> None:
    story = explain(samples.answered(), contact="support@example.com")
    assert story.outcome == "answered"
    assert (story.fault, story.cause, story.fix, story.retry, story.message) == (None,) * 5
    assert story.quotes == [Fact("openai", "request id req_7f3a")]


def test_the_records_own_cause_and_fix_come_before_the_taxonomys() -> None:
    story = explain(samples.refused(cause="No header.", fix="Spell it `Authorization`."))
    assert (story.cause, story.fix) == ("No header.", "Spell it `Authorization`.")


def test_an_error_of_another_version_is_told_without_cause() -> None:
    story = explain(samples.failed(error="melted", origin=None))
    assert story.outcome == "failed"
    assert "504 melted" in story.verdict
    assert (story.cause, story.fix, story.retry) == (None, None, None)


def test_another_model_in_place_of_the_one_asked_is_said() -> None:
    story = explain(samples.answered(model="gpt-5"))
    assert story.verdict == "200 by gpt-4.1 at openai, in place of gpt-5, in 1.20 s"


def test_a_cut_stream_is_no_answer() -> None:
    story = explain(samples.cut())
    assert story.outcome == "cut"
    assert story.verdict == (
        "502 upstream_cut at openai in 1.20 s: the stream had begun with status 200 and broke off; "
        "what the caller got is not a whole answer"
    )


def test_who_broke_an_answer_off_is_at_fault_and_not_who_could_not_continue_it() -> None:
    broke = samples.attempt(error="upstream_cut", message="The answer of openai broke off")
    other = samples.attempt(provider="azure", error="upstream_cut", message="azure went away")
    diverged = samples.attempt(provider="groq", error="answer_diverged", message="It was another.")
    for later in ([other], [diverged], [other, diverged]):
        record = samples.cut(message="The answer of openai broke off", attempts=[broke, *later])
        for seen in (record, for_caller(record)):
            story = explain(seen)
            assert story.fault == "the provider openai"
            assert " at openai after " in story.verdict


@pytest.mark.parametrize(("status", "error"), [(500, "internal_error"), (503, "overloaded")])
def test_what_befell_an_attempt_in_the_gateway_is_not_laid_at_a_providers_door(
    status: int, error: str
) -> None:
    befallen = samples.attempt(error=error)
    story = explain(
        samples.answered(status=status, error=error, origin="gateway", attempts=[befallen])
    )
    assert story.verdict == f"{status} {error} in 1.20 s"


@pytest.mark.parametrize(
    ("sent", "told"),
    [
        (0, "before anything of the answer was sent"),
        (310, "when 310 bytes of the answer had been sent"),
    ],
)
def test_how_much_of_the_answer_a_caller_got_who_left_is_told(sent: int, told: str) -> None:
    story = explain(
        samples.answered(
            status=499, error="client_disconnected", origin="client", response_bytes=sent
        )
    )
    assert story.verdict == f"499 client_disconnected: the caller left after 1.20 s, {told}"
    assert story.fault == "the caller"  # the same request may succeed: it need not change


def test_a_request_that_the_dialect_cannot_express_was_not_sent() -> None:
    kept = samples.attempt(status=None, error="unsupported_field", message="seed: not supported")
    story = explain(
        samples.answered(
            status=400, error="unsupported_field", origin="client", usage=None, attempts=[kept]
        )
    )
    assert story.verdict.endswith("by the gateway in 1.20 s; nothing was sent to a provider")
    assert story.steps[0].outcome == "not sent unsupported_field"
    assert story.usage == [Fact("cost", "nothing: no provider was asked")]


def test_what_a_failure_cost_is_told_though_nothing_is_known_of_it() -> None:
    assert explain(samples.failed()).usage == [
        Fact("cost", "none known: no provider reported any use of tokens")
    ]
    assert explain(samples.refused()).usage == [Fact("cost", "nothing: no provider was asked")]


def test_what_is_charged_beside_an_answer_is_told() -> None:
    prompt = Usage(input_tokens=40, output_tokens=0, total_tokens=40, estimated=True)
    late = samples.attempt(usage=prompt, first_token_us=None, decision="lost the race")
    story = explain(samples.answered(attempts=[late, samples.attempt()]))
    (told,) = (fact.value for fact in story.usage if fact.label == "given up")
    assert told == "40 in, estimated, of attempts that were given up; cost and limits have them too"


def test_a_reply_that_the_providers_words_hold_whole_is_not_told_twice() -> None:
    page = "<html>No server is available</html>"
    odd = samples.attempt(status=502, error="provider_unavailable", message=page, body=page)
    story = explain(samples.failed(attempts=[odd]))
    assert (story.steps[0].said, story.steps[0].body) == (page, None)


def test_pauses_between_attempts_are_neither_the_gateways_nor_the_providers() -> None:
    spans = {span.name: span.us for span in explain(samples.failed()).spans}
    assert spans == {"gateway": 1_400, "upstream": 1_800_000, "pauses between attempts": 900_000}


def test_quotes_name_the_providers_ids_then_the_operator() -> None:
    story = explain(samples.failed(), contact="help@example.com", status_url="https://s.example")
    assert [fact.label for fact in story.quotes] == [
        "openai",
        "the operator",
        "status page",
    ]


def test_an_answer_at_its_limit_of_tokens_is_remarked() -> None:
    story = explain(samples.answered(finish_reason="length", native_finish_reason="max_tokens"))
    assert any("max_tokens" in note for note in story.notes)
    assert Fact("finish", "length (the provider's word: max_tokens)") in story.usage


def test_long_parameters_are_shortened() -> None:
    long = msgspec.Raw(msgspec.json.encode("x" * 10_000))
    story = explain(samples.answered(parameters={"user": long}))
    assert max(len(fact.value) for fact in story.asked) == 500


def test_parameters_that_were_too_long_to_be_kept_are_told() -> None:
    left = OmittedParameters(count=9, bytes=70_000, names=["tools", "metadata"])
    told = explain(samples.answered(parameters_omitted=left)).asked
    assert Fact("not kept", "9 long parameters, 70000 bytes: tools, metadata, …") in told
    left = OmittedParameters(count=1, bytes=40_000, names=["tools"])
    told = explain(samples.answered(parameters_omitted=left)).asked
    assert Fact("not kept", "1 long parameter, 40000 bytes: tools") in told


def test_the_first_token_of_an_answer_that_nobody_got_is_not_told() -> None:
    assert explain(samples.failed(first_token_us=900)).first_token_us is None
    assert explain(samples.cut(first_token_us=900)).first_token_us == 900
