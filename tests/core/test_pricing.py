"""What a request costs."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callgate.core.chat import Usage
from callgate.core.http import Origin
from callgate.core.models import Deployment, Model
from callgate.core.price import Price
from callgate.core.pricing import charged, cost, count_of, total_cost, with_tier
from callgate.core.secret import Secret
from callgate.core.target import Target
from callgate.providers.registry import VENDORS

PRICE = Price(
    input=3.0,
    output=15.0,
    cached_input=0.3,
    cache_write=3.75,
    input_audio=40.0,
    output_audio=80.0,
)
PLAIN = Price(input=2.0, output=8.0)
MILLION = 1_000_000


def usage(inputs: int, outputs: int, **details: Any) -> Usage:
    return Usage(
        input_tokens=inputs, output_tokens=outputs, total_tokens=inputs + outputs, **details
    )


def test_input_and_output_have_their_own_rates() -> None:
    assert cost(usage(MILLION, 0), PRICE) == 3.0
    assert cost(usage(0, MILLION), PRICE) == 15.0
    assert cost(usage(1000, 500), PLAIN) == pytest.approx(0.006)


def test_cached_and_written_tokens_are_parts_of_the_input() -> None:
    details = {"cached_tokens": 600_000, "cache_write_tokens": 300_000}
    spent = cost(usage(MILLION, 0, input_details=details), PRICE)
    assert spent == pytest.approx(0.1 * 3.0 + 0.6 * 0.3 + 0.3 * 3.75)


def test_a_longer_prompt_makes_every_token_dearer() -> None:
    long, longest = Price(input=4.0, output=12.0, cached_input=0.4), Price(input=8.0, output=24.0)
    price = Price(input=2.0, output=8.0, longer={200_000: long, 500_000: longest})
    assert cost(usage(200_000, MILLION), price) == pytest.approx(0.4 + 8)
    assert cost(usage(200_001, MILLION), price) == pytest.approx(0.800004 + 12)
    cached = usage(300_000, 0, input_details={"cached_tokens": 300_000})
    assert cost(cached, price) == pytest.approx(0.12)
    assert cost(usage(600_000, 0), price) == pytest.approx(4.8)


def test_a_long_prompt_is_charged_by_its_tier() -> None:
    tier = Price(input=1.0, output=4.0, longer={100: Price(input=3.0, output=6.0)})
    price = Price(input=2.0, output=8.0, longer={100: PRICE}, tiers={"flex": tier})
    told = {"service_tier": "flex"}
    assert cost(usage(100, 0, extra=told), price) == pytest.approx(100e-6)
    assert cost(usage(200, 0, extra=told), price) == pytest.approx(600e-6)


@pytest.mark.parametrize(
    ("write", "plain"), [(3.75, 3.75), (None, 3.0)], ids=["of its own", "the plain rate"]
)
def test_what_a_cache_keeps_for_an_hour_is_a_dearer_part_of_what_is_written(
    write: float | None, plain: float
) -> None:
    price = Price(input=3.0, output=15.0, cache_write=write, cache_write_1h=6.0)
    details = {"cache_write_tokens": 500_000, "cache_write_1h_tokens": 200_000}
    spent = cost(usage(MILLION, 0, input_details=details), price)
    assert spent == pytest.approx(0.5 * 3.0 + 0.3 * plain + 0.2 * 6.0)
    details["cache_write_1h_tokens"] = 900_000  # more than was written
    spent = cost(usage(MILLION, 0, input_details=details), price)
    assert spent == pytest.approx(0.5 * 3.0 + 0.5 * 6.0)
    assert cost(usage(MILLION, 0, input_details=details), PLAIN) == 2.0


def test_images_that_are_written_have_their_own_rate() -> None:
    drawn = usage(0, MILLION, output_details={"image_tokens": 900_000})
    assert cost(drawn, Price(input=0.3, output=2.5, output_image=30.0)) == pytest.approx(27.25)
    assert cost(drawn, PLAIN) == 8.0


@pytest.mark.parametrize(
    ("told", "searches"),
    [({"web_search_requests": 3}, 3), ({"web_search_requests": "3"}, 0), (None, 0), ([], 0)],
)
def test_searches_of_the_web_are_charged_each(told: object, searches: int) -> None:
    price = Price(input=3.0, output=15.0, web_search=10.0)
    asked = usage(1000, 0, extra={"server_tool_use": told})
    assert cost(asked, price) == pytest.approx(0.003 + searches * 0.01)


def test_audio_has_its_own_rates_both_ways() -> None:
    spent = cost(
        usage(
            MILLION,
            MILLION,
            input_details={"audio_tokens": 500_000},
            output_details={"audio_tokens": 250_000},
        ),
        PRICE,
    )
    assert spent == pytest.approx(0.5 * 3 + 0.5 * 40 + 0.75 * 15 + 0.25 * 80)


def test_reasoning_is_charged_as_the_output_that_it_is_part_of() -> None:
    thought = usage(0, MILLION, output_details={"reasoning_tokens": 900_000})
    assert cost(thought, PRICE) == cost(usage(0, MILLION), PRICE)


def test_a_part_without_a_rate_costs_as_much_as_the_rest() -> None:
    details = {"cached_tokens": 10, "cache_write_tokens": 20, "audio_tokens": 30}
    assert cost(usage(100, 0, input_details=details), PLAIN) == cost(usage(100, 0), PLAIN)


def test_a_part_without_a_rate_is_a_part_all_the_same() -> None:
    price = Price(input=2.0, output=8.0, input_audio=40.0)
    details = {"cached_tokens": 800_000, "audio_tokens": 500_000}  # more than the whole
    spent = cost(usage(MILLION, 0, input_details=details), price)
    assert spent == pytest.approx(0.8 * 2 + 0.2 * 40)


def test_a_rate_of_zero_is_a_rate() -> None:
    free_reads = Price(input=2.0, output=8.0, cached_input=0.0)
    assert cost(usage(100, 0, input_details={"cached_tokens": 100}), free_reads) == 0.0


@pytest.mark.parametrize("odd", [-5, 2.5, "7", None, True, [], 10**400])
def test_what_a_provider_misreports_neither_breaks_nor_earns_money(odd: object) -> None:
    spent = cost(usage(100, 10, input_details={"cached_tokens": odd}), PRICE)
    assert 0 < spent <= cost(usage(100, 10), PRICE)
    assert count_of(odd) == (2**53 if odd == 10**400 else 0)


def test_absurd_counts_stay_finite() -> None:
    assert cost(usage(10**400, -3), PLAIN) == pytest.approx(2.0 * 2**53 / MILLION)


counts = st.integers(min_value=0, max_value=10**9)


@given(counts, counts, counts, counts, counts)
def test_the_parts_never_cost_more_than_the_dearest_rate(
    inputs: int, outputs: int, cached: int, written: int, audio: int
) -> None:
    details = {"cached_tokens": cached, "cache_write_tokens": written, "audio_tokens": audio}
    spent = cost(usage(inputs, outputs, input_details=details, output_details=details), PRICE)
    assert 0.3 * inputs + 15 * outputs <= spent * MILLION * (1 + 1e-9)
    assert spent * MILLION <= (40 * inputs + 80 * outputs) * (1 + 1e-9)


def test_reasoning_is_charged_at_its_own_rate_where_it_has_one() -> None:
    thought = usage(0, MILLION, output_details={"reasoning_tokens": MILLION // 2})
    assert cost(thought, PLAIN) == 8.0
    assert cost(thought, Price(input=2.0, output=8.0, reasoning=12.0)) == 10.0


@pytest.mark.parametrize(
    ("tier", "dollars"),
    [("flex", 1.0), ("FLEX", 1.0), ("default", 2.0), (None, 2.0), ("unheard of", 2.0), (7, 2.0)],
)
def test_the_service_tier_of_the_answer_has_its_own_price(tier: object, dollars: float) -> None:
    price = Price(input=2.0, output=8.0, tiers={"flex": Price(input=1.0, output=4.0)})
    told = with_tier(usage(MILLION, 0), {"service_tier": tier})
    assert told is not None
    assert cost(told, price) == dollars
    assert cost(usage(MILLION, 0, extra={"service_tier": tier}), price) == dollars


def test_a_usual_tier_is_not_kept_and_an_unusual_one_beside_what_there_is() -> None:
    used = usage(1, 1, extra={"a": 1})
    for tier in ("auto", "", None, 7):
        assert with_tier(used, {"service_tier": tier}) is used
    assert with_tier(None, {"service_tier": "flex"}) is None
    told = with_tier(used, {"service_tier": "flex", "b": 2})
    assert told is not None
    assert told.extra == {"a": 1, "service_tier": "flex"}


def test_a_factor_holds_for_every_rate() -> None:
    tiers, longer = {"flex": PLAIN}, {100: PLAIN}
    price = Price(input=2.0, output=8.0, cached_input=0.5, tiers=tiers, longer=longer, tiered=True)
    assert price.times(1.5) == Price(
        input=3.0,
        output=12.0,
        cached_input=0.75,
        tiered=True,
        longer={100: Price(input=3.0, output=12.0)},
        tiers={"flex": Price(input=3.0, output=12.0)},
    )


def target(vendor: str, price: Price | None = None) -> Target:
    deployment = Deployment(
        id="p/m",
        provider="p",
        vendor=VENDORS[vendor],
        upstream_model="m",
        origin=Origin("https", "p.example", 443),
        path="",
        secret=Secret(""),
    )
    return Target(Model(name="m", deployments=(deployment,), price=price), deployment)


def test_several_parts_are_paid_at_their_own_targets() -> None:
    prices = {"openai": Price(input=1.0, output=1.0), "groq": Price(input=10.0, output=10.0)}

    def price(at: Target) -> Price | None:
        return prices.get(at.deployment.vendor.name)

    cheap, dear, unknown = (target(name) for name in ("openai", "groq", "vllm"))
    used = Usage(input_tokens=500_000, output_tokens=500_000, total_tokens=1_000_000)
    assert total_cost([(cheap, used), (dear, used)], price) == 11.0
    assert total_cost([(cheap, used), (unknown, used)], price) is None


OWN = {"upstream_inference_cost": 0.4}


@pytest.mark.parametrize(
    ("vendor", "told", "dollars"),
    [
        ("xai", {"cost_in_usd_ticks": 37_756_000}, 0.0037756),
        ("xai", {"cost_in_usd_ticks": 0}, 0.0),
        ("openrouter", {"cost": 0.25, "cost_details": OWN}, 0.25),
        ("openrouter", {"cost": 0, "is_byok": False, "cost_details": OWN}, 0.0),
        ("openrouter", {"cost": 0.02, "is_byok": True, "cost_details": OWN}, 0.42),
        ("openrouter", {"cost": 0.02, "is_byok": True, "cost_details": None}, 0.02),
    ],
)
def test_what_a_provider_says_it_charged_is_the_cost(
    vendor: str, told: dict[str, Any], dollars: float
) -> None:
    answered = usage(MILLION, 0, extra=told)
    assert charged(target(vendor), answered, PLAIN) == pytest.approx(dollars)
    assert charged(target(vendor), answered, None) == pytest.approx(dollars)
    assert charged(target(vendor, PLAIN), answered, PLAIN) == 2.0  # the operator's own price
    assert charged(target("openai"), answered, PLAIN) == 2.0


@pytest.mark.parametrize("odd", [None, True, "0.1", -1, 1e300, 10**400, [], {}])
def test_a_bill_that_makes_no_sense_is_none(odd: object) -> None:
    for vendor, name in (("openrouter", "cost"), ("xai", "cost_in_usd_ticks")):
        answered = usage(MILLION, 0, extra={name: odd})
        assert charged(target(vendor), answered, PLAIN) == 2.0
        assert charged(target(vendor), answered, None) is None
    assert charged(target("xai"), usage(MILLION, 0), PLAIN) == 2.0
