"""Counting records."""

from __future__ import annotations

import json
from typing import Any

import pytest

from callgate.core.entry import entries_of
from callgate.core.record import BUDGET_LOW, COUNTED_ALONE
from callgate.metrics.exposition import render
from callgate.metrics.families import FAMILIES, SECONDS
from callgate.metrics.tally import Snapshot, Tally

ATTEMPT = {"model": "m", "provider": "p", "deployment": "p/m"}


def record(**fields: Any) -> bytes:
    sound = {"request_id": "x", "time": 0, "status": 200, "total_us": 2_000_000}
    return json.dumps({**sound, **fields}).encode()


def answered(**fields: Any) -> bytes:
    return record(model="m", model_served="m", provider="p", attempts=[ATTEMPT], **fields)


def counted(*records: bytes) -> Snapshot:
    tally = Tally(1000.0)
    entries, _ = entries_of(records)
    tally.observe(entries)
    return tally.snapshot()


def values(snapshot: Snapshot, family: str) -> dict[tuple[str, ...], float]:
    return {line.labels: line.value for line in snapshot.get(family, [])}


def test_requests_are_counted_by_model_provider_status_type_and_stream() -> None:
    found = counted(
        answered(), answered(), answered(stream=True), record(status=404, error="model_not_found")
    )
    assert values(found, "callgate_requests") == {
        ("m", "p", "200", "", "false"): 2,
        ("m", "p", "200", "", "true"): 1,
        ("", "", "404", "model_not_found", "false"): 1,
    }


def test_limits_counted_alone_and_budgets_nearly_spent_are_told_by_the_notes() -> None:
    found = counted(
        answered(notes=[COUNTED_ALONE, BUDGET_LOW + "account day 85%"]),
        record(status=429, error="rate_limited", model="m", notes=[COUNTED_ALONE]),
        answered(notes=["anything else"]),
    )
    assert values(found, "callgate_limits_counted_alone") == {("m",): 2}
    assert values(found, "callgate_budget_warnings") == {("m", "account"): 1}


def test_a_name_that_a_stranger_made_up_is_no_label() -> None:
    found = counted(*(record(status=404, model=f"no-{i}", error="x") for i in range(9)))
    assert values(found, "callgate_requests") == {("", "", "404", "x", "false"): 9}


def test_refused_or_failed_without_an_attempt_is_told_of_the_model_asked_for() -> None:
    found = counted(
        record(status=429, model="m", error="rate_limited"),
        record(status=503, model="m", error="circuit_open"),
    )
    assert values(found, "callgate_requests") == {
        ("m", "", "429", "rate_limited", "false"): 1,
        ("m", "", "503", "circuit_open", "false"): 1,
    }


def test_series_are_bounded() -> None:
    found = counted(*(answered(error=f"e{i}") for i in range(2100)))
    assert len(found["callgate_requests"]) == 2001
    assert values(found, "callgate_requests")[("other",) * 5] == 100


def test_every_attempt_counts_with_its_outcome() -> None:
    attempts = [{**ATTEMPT, "error": "upstream_timeout"}, ATTEMPT]
    found = counted(record(model_served="m", provider="p", attempts=attempts))
    assert values(found, "callgate_attempts") == {
        ("m", "p", "p/m", "upstream_timeout"): 1,
        ("m", "p", "p/m", "done"): 1,
    }


def test_limits_admit_and_refuse() -> None:
    found = counted(answered(), record(status=429, model="m", error="rate_limited"))
    assert values(found, "callgate_limit_decisions") == {
        ("m", "admitted"): 1,
        ("m", "rate_limited"): 1,
    }


def test_tokens_are_counted_by_kind_and_their_cost_added() -> None:
    usage = {
        "input_tokens": 100,
        "output_tokens": 50,
        "total_tokens": 150,
        "input_details": {"cached_tokens": 80, "audio_tokens": "many"},
        "output_details": {"reasoning_tokens": 20},
    }
    found = counted(answered(usage=usage, cost_usd=0.25), answered(usage=usage, cost_usd=0.25))
    assert values(found, "callgate_tokens") == {
        ("m", "p", "input"): 200,
        ("m", "p", "output"): 100,
        ("m", "p", "cached"): 160,
        ("m", "p", "reasoning"): 40,
    }
    assert values(found, "callgate_cost_usd") == {("m", "p"): 0.5}


@pytest.mark.parametrize(("us", "below"), [(0, 0), (1000, 0), (1001, 1), (10**12, len(SECONDS))])
def test_histograms_count_what_is_at_most_a_bound(us: int, below: int) -> None:
    (line,) = counted(answered(total_us=us))["callgate_request_seconds"]
    assert [at for at, count in enumerate(line.buckets) if count] == [below]
    assert line.value == us / 1e6


def test_the_text_is_what_prometheus_reads() -> None:
    from prometheus_client.parser import text_string_to_metric_families

    text = render(counted(answered(first_token_us=300_000), answered(total_us=40_000))).decode()
    families = {family.name: family for family in text_string_to_metric_families(text)}
    assert set(families) <= set(FAMILIES)
    samples = {
        sample.labels["le"]: sample.value
        for sample in families["callgate_request_seconds"].samples
        if sample.name.endswith("_bucket")
    }
    assert (samples["0.025"], samples["0.1"], samples["1.0"], samples["+Inf"]) == (0, 1, 1, 2)
    count = [s for s in families["callgate_request_seconds"].samples if s.name.endswith("_count")]
    assert count[0].value == 2


@pytest.mark.parametrize("count", [10**400, -(10**400), -5, True, "9", None, [1]])
def test_a_count_that_makes_no_sense_spoils_no_figure(count: object) -> None:
    usage = {"input_tokens": 10, "output_tokens": 2, "total_tokens": 12}
    found = counted(
        answered(usage={**usage, "input_details": {"cached_tokens": count}}), answered(usage=usage)
    )
    tokens = values(found, "callgate_tokens")
    assert tokens.pop(("m", "p", "cached"), 0.0) in (0.0, 2.0**53)
    assert tokens == {("m", "p", "input"): 20, ("m", "p", "output"): 4}
