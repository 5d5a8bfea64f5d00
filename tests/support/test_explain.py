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
from callgate.support.explain import explain
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
    assert story.fault is not None
    assert story.fault.startswith(who[kind.origin])
    assert story.retry is not None
    assert story.retry.startswith("the same" if kind.retryable else "of no use")


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
    assert "no whole answer" in story.verdict


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
