"""The headers of a response, as lines."""

from __future__ import annotations

import pytest

from callgate.core.models import Model
from callgate.core.quota import Quota
from callgate.engine.call import Call, TokenQuota
from callgate.web.reply import JSON, head_lines, headers_of
from metered import Clock


def call(arrived: float) -> Call:
    one = Call("019a207c-0000-7000-8000-000000000000", arrived, "POST", "/v1/chat/completions")
    one.model = Model(name="m", deployments=())
    one.quota = Quota(True, 30, 29, arrived + 60)
    one.token_quota = TokenQuota(1000, 900, arrived + 60)
    return one


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """What tells calls the time."""
    made = Clock()
    monkeypatch.setattr("callgate.engine.call.time", made)
    return made


def resets(one: Call) -> list[bytes]:
    told = dict(headers_of(head_lines(one, JSON)))
    return [told[b"x-ratelimit-reset"], told[b"x-ratelimit-reset-tokens"]]


def test_a_window_that_has_just_been_opened_resets_in_60_seconds(clock: Clock) -> None:
    for part in range(100):  # in binary, some of these plus 60 are more than 60 away
        clock.at = 1795426683 + part / 100
        assert resets(call(clock.at)) == [b"60", b"60"]


def test_the_seconds_until_a_window_resets_are_counted_from_the_response(clock: Clock) -> None:
    one = call(clock.at)
    clock.at += 20.01  # the answer took as long
    assert resets(one) == [b"40", b"40"]
    clock.at += 100
    assert resets(one) == [b"0", b"0"]


def test_a_window_resets_within_60_seconds_also_where_the_clock_has_been_set_back(
    clock: Clock,
) -> None:
    one = call(clock.at)
    clock.at -= 3600
    assert resets(one) == [b"60", b"60"]
