"""When a provider wants to be asked again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callgate.providers.retry_after import LONGEST, duration, retry_after

DATE = "Wed, 21 Oct 2026 07:28:00 GMT"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7),
        ({"retry-after": " 1.5 "}, 1.5),
        ({"retry-after-ms": "250", "retry-after": "1"}, 0.25),
        ({"retry-after-ms": "0", "retry-after": "1"}, 1),
        ({"retry-after": "0"}, None),
        ({"retry-after": "-5"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "1e9"}, None),
        ({"retry-after": "999999999"}, LONGEST),
        ({"retry-after": DATE, "date": "Wed, 21 Oct 2026 07:27:30 GMT"}, 30),
        ({"retry-after": DATE, "date": "Wed, 21 Oct 2026 07:29:00 GMT"}, None),
        ({"retry-after": DATE}, None),
        ({"retry-after": f"Wed, 21 Oct {'9' * 20} 07:28:00 GMT", "date": DATE}, None),
        ({"x-ratelimit-reset-requests": "6m0s", "x-ratelimit-remaining-requests": "0"}, 360),
        ({"x-ratelimit-reset-tokens": "120ms"}, 0.12),
        (
            {
                "x-ratelimit-reset-requests": "6m0s",
                "x-ratelimit-remaining-requests": "99",
                "x-ratelimit-reset-tokens": "3s",
                "x-ratelimit-remaining-tokens": "0",
            },
            3,
        ),
        ({"x-ratelimit-reset": "1759845420000"}, None),
    ],
)
def test_the_wait_is_read_from_every_vendors_headers(
    headers: dict[str, str], seconds: float | None
) -> None:
    assert retry_after(headers) == seconds


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1h3m23.442s", 3803.442), ("20m9.6s", 1209.6), ("120ms", 0.12), ("2m", 120), ("1d", 86400),
        ("0s", 0), ("7", 7), ("", 0), ("s", 0), ("x", 0), ("1s2h", 0), ("9" * 50 + "s", 0),
    ],
)  # fmt: skip
def test_durations_are_read_as_seconds(text: str, seconds: float) -> None:
    assert duration(text) == pytest.approx(seconds)


@given(st.dictionaries(st.sampled_from(["retry-after", "retry-after-ms", "date",
                                        "x-ratelimit-reset-a", "x-ratelimit-remaining-a"]),
                       st.text(max_size=20) | st.from_regex(r"[0-9.hms:, -]{0,12}")))  # fmt: skip
def test_any_text_is_a_bounded_time_or_none(headers: dict[str, str]) -> None:
    seconds = retry_after(headers)
    assert seconds is None or 0 < seconds <= LONGEST
