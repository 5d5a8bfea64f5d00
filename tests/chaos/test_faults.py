"""Each fault, in each dialect, streamed and not, as a client on a bare socket meets it."""

from __future__ import annotations

import json

import pytest

from callgate.chaos.answer import SENTENCE
from callgate.chaos.faults import FAULTS, found
from callgate.chaos.server import Chaos
from patience import PATIENCE

from .client import QUESTION, SILENCES, SPEECHES, ask, skipped, text, told

ANSWER = (200, "whole", "answer")
BOTH = {
    "ok": ANSWER,
    "429-retry-after": (429, "whole", "error"),
    "429": (429, "whole", "error"),
    "503-always": (503, "whole", "error"),
    "flapping-3600": (503, "whole", "error"),
    "reset-before-headers": (0, "reset", "nothing"),
    "silence": (0, "silent", "nothing"),
    "context-too-long": (400, "whole", "error"),
    "prefill-refused": ANSWER,
    "wrong-usage": ANSWER,
    "200-error": (200, "whole", "error"),
    "header-flood": ANSWER,
    "slow-loris-0": ANSWER,
    "slow-first-token-50": ANSWER,
}
WHOLE = BOTH | {
    "cut-mid-answer": (200, "closed", "garbage"),
    "cut-with-terminator": (200, "whole", "garbage"),
    "reset-mid-answer": (200, "reset", "garbage"),
    "stall": (200, "silent", "garbage"),
    "malformed-event": (200, "whole", "garbage"),
    "no-done": ANSWER,
    "no-done-open": ANSWER,
}
STREAMED = BOTH | {
    "cut-mid-answer": (200, "closed", "part"),
    "cut-with-terminator": (200, "whole", "part"),
    "reset-mid-answer": (200, "reset", "part"),
    "stall": (200, "silent", "part"),
    "malformed-event": ANSWER,
    "no-done": (200, "whole", "unmarked"),
    "no-done-open": (200, "silent", "unmarked"),
    "200-error-3": (200, "whole", "error"),
}
DIALECTS = list(SPEECHES)


def outcome(chaos: Chaos, dialect: str, model: str, *, stream: bool) -> tuple[int, str, str]:
    expected = (STREAMED if stream else WHOLE)[model]
    for silence in SILENCES if expected[1] == "silent" else (PATIENCE,):
        result = ask(chaos.port, dialect, model, stream=stream, silence=silence)
        seen = result.status, result.ended, told(dialect, result, stream=stream)
        if seen == expected or (expected[2] == "unmarked" and seen[2] == "answer"):
            break
    return seen


def test_every_fault_is_expected_here() -> None:
    apart = {"500-once", "content-filter"}  # have tests of their own
    for table in (WHOLE, STREAMED):
        tested = {fault[0].name for model in table if (fault := found(model))}
        assert tested | apart == set(FAULTS)


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("model", WHOLE)
def test_each_fault_shows_in_whole_answers_as_its_row_says(
    chaos: Chaos, dialect: str, model: str
) -> None:
    assert outcome(chaos, dialect, model, stream=False) == WHOLE[model]


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("model", STREAMED)
def test_each_fault_shows_in_streams_as_its_row_says(
    chaos: Chaos, dialect: str, model: str
) -> None:
    expected = STREAMED[model]
    if expected[2] == "unmarked" and not SPEECHES[dialect].mark:
        expected = (*expected[:2], "answer")  # the last event says both
    assert outcome(chaos, dialect, model, stream=True) == expected


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("model", ["ok", "header-flood-3", "no-done", "wrong-usage"])
def test_sound_answers_are_the_sentence(
    chaos: Chaos, dialect: str, model: str, stream: bool
) -> None:
    result = ask(chaos.port, dialect, model, stream=stream)
    assert text(dialect, result, stream=stream) == SENTENCE


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("model", ["cut-mid-answer-5", "cut-with-terminator-5"])
def test_a_part_has_so_many_words(chaos: Chaos, dialect: str, model: str) -> None:
    result = ask(chaos.port, dialect, model, stream=True)
    assert text(dialect, result, stream=True) == "A lighthouse keeper counted every"


@pytest.mark.parametrize("dialect", DIALECTS)
def test_one_event_makes_no_sense_amid_the_whole_sentence(chaos: Chaos, dialect: str) -> None:
    result = ask(chaos.port, dialect, "malformed-event", stream=True)
    assert text(dialect, result, stream=True) == SENTENCE
    assert skipped(result) == 1


@pytest.mark.parametrize("dialect", DIALECTS)
def test_an_error_may_come_amid_a_stream(chaos: Chaos, dialect: str) -> None:
    result = ask(chaos.port, dialect, "200-error-3", stream=True)
    assert text(dialect, result, stream=True) == "A lighthouse keeper"


@pytest.mark.parametrize(
    ("model", "expected"),
    [("429-retry-after", "1"), ("429-retry-after-7", "7"), ("429", None), ("503-always", None)],
)
@pytest.mark.parametrize("dialect", DIALECTS)
def test_only_limits_that_name_a_wait_say_when_to_come_back(
    chaos: Chaos, dialect: str, model: str, expected: str | None
) -> None:
    result = ask(chaos.port, dialect, model, stream=False)
    assert result.headers.get("retry-after") == expected


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("dialect", DIALECTS)
def test_once_is_for_each_caller_dialect_and_model(
    chaos: Chaos, dialect: str, stream: bool
) -> None:
    def status(caller: str, model: str = f"{stream}:500-once") -> int:
        credentials = f"authorization: Bearer {caller}\r\n"
        return ask(chaos.port, dialect, model, stream=stream, headers=credentials).status

    assert [status("one"), status("one"), status("two"), status("one"), status("two")] == [
        500, 200, 500, 200, 200,
    ]  # fmt: skip
    assert status("one", f"{stream}-other:500-once") == 500


def test_a_caller_of_amazon_is_known_by_its_key_not_by_its_signature(chaos: Chaos) -> None:
    def status(signature: str) -> int:
        signed = f"AWS4-HMAC-SHA256 Credential=AKIA1/20260101/x, Signature={signature}"
        return ask(
            chaos.port,
            "bedrock",
            "signed:500-once",
            stream=False,
            headers=f"authorization: {signed}\r\n",
        ).status

    assert [status("aa"), status("bb")] == [500, 200]


def test_flapping_fails_then_works_then_fails(chaos: Chaos) -> None:
    statuses: list[int] = []
    while statuses != [503, 200, 503]:
        status = ask(chaos.port, "openai", "turns:flapping-0.1", stream=False).status
        if status not in statuses[-1:]:
            statuses.append(status)
        assert statuses == [503, 200, 503][: len(statuses)]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("dialect", DIALECTS)
def test_an_answer_goes_on_from_the_assistants_beginning(
    chaos: Chaos, dialect: str, stream: bool
) -> None:
    for begun in ("A lighthouse keeper", "A light", SENTENCE):
        talk = [*QUESTION, ("assistant", begun)]
        result = ask(chaos.port, dialect, "prefilled:ok", stream=stream, talk=talk)
        assert begun + text(dialect, result, stream=stream) == SENTENCE


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_foreign_beginning_gets_the_whole_sentence(chaos: Chaos, dialect: str) -> None:
    talk = [*QUESTION, ("assistant", "Once upon a time")]
    result = ask(chaos.port, dialect, "ok", stream=True, talk=talk)
    assert text(dialect, result, stream=True) == SENTENCE


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("dialect", DIALECTS)
def test_prefill_is_refused(chaos: Chaos, dialect: str, stream: bool) -> None:
    talk = [*QUESTION, ("assistant", "A light")]
    result = ask(chaos.port, dialect, "prefill-refused", stream=stream, talk=talk)
    assert (result.status, told(dialect, result, stream=stream)) == (400, "error")


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_content_filter_refuses_as_the_dialect_does(
    chaos: Chaos, dialect: str, stream: bool
) -> None:
    status, word = {
        "openai": (400, b'"code":"content_filter"'),
        "anthropic": (400, b"content filtering policy"),
        "gemini": (200, b'"blockReason":"PROHIBITED_CONTENT"'),
        "bedrock": (200, b'"stopReason":"guardrail_intervened"'),
        "cohere": (498, b"blocked"),
    }[dialect]
    result = ask(chaos.port, dialect, "content-filter", stream=stream)
    assert (result.status, result.ended) == (status, "whole")
    assert word in result.body
    assert SENTENCE[:20].encode() not in result.body


@pytest.mark.parametrize("dialect", DIALECTS)
def test_wrong_usage_contradicts_itself(chaos: Chaos, dialect: str) -> None:
    right = ask(chaos.port, dialect, "ok", stream=False).body
    wrong = ask(chaos.port, dialect, "wrong-usage", stream=False).body
    assert b"1000000" in wrong
    assert b"1000000" not in right


def test_a_flood_has_as_many_headers_as_it_says(chaos: Chaos) -> None:
    result = ask(chaos.port, "openai", "header-flood-250", stream=False)
    assert sum(name.startswith("x-flood-") for name in result.headers) == 250


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("dialect", DIALECTS)
def test_an_unknown_model_is_told_the_known_ones(chaos: Chaos, dialect: str, stream: bool) -> None:
    result = ask(chaos.port, dialect, "gpt-4", stream=stream)
    assert (result.status, told(dialect, result, stream=stream)) == (404, "error")
    body = json.loads(result.body)
    message = body["message"] if "message" in body else body["error"]["message"]
    assert all(fault.shown in message for fault in FAULTS.values())


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("ok", ("ok", 0)),
        ("stall", ("stall", 12)),
        ("stall-3", ("stall", 3)),
        ("429-retry-after-0.5", ("429-retry-after", 0.5)),
        ("anthropic.claude-v1:0:ok", ("ok", 0)),
        ("a:b", None),
        ("ok-3", None),
        ("stall-", None),
        ("stall--3", None),
        ("stall-1001", None),
        ("stall-nan", None),
        ("flapping-0", None),
        ("", None),
    ],
)
def test_names_carry_parameters_within_bounds(
    model: str, expected: tuple[str, float] | None
) -> None:
    fault = found(model)
    assert (None if fault is None else (fault[0].name, fault[1])) == expected
