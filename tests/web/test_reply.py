"""The headers of a response, as lines."""

from __future__ import annotations

from callgate.core.models import Model
from callgate.core.quota import Quota
from callgate.engine.call import Call, TokenQuota
from callgate.web.reply import JSON, head_lines, headers_of


def call(arrived: float) -> Call:
    one = Call("019a207c-0000-7000-8000-000000000000", arrived, "POST", "/v1/chat/completions")
    one.model = Model(name="m", deployments=())
    one.quota = Quota(True, 30, 29, arrived + 60)
    one.token_quota = TokenQuota(1000, 900, arrived + 60)
    return one


def resets(one: Call) -> list[bytes]:
    told = dict(headers_of(head_lines(one, JSON)))
    return [told[b"x-ratelimit-reset"], told[b"x-ratelimit-reset-tokens"]]


def test_a_window_that_has_just_been_opened_resets_in_60_seconds() -> None:
    for part in range(100):  # in binary, some of these plus 60 are more than 60 away
        assert resets(call(1795426683 + part / 100)) == [b"60", b"60"]


def test_the_seconds_until_a_window_resets_are_counted_from_the_response() -> None:
    one = call(1795426683.306)
    one.started -= 20_010_000_000  # the answer took as long
    assert resets(one) == [b"40", b"40"]
    one.started -= 100_000_000_000
    assert resets(one) == [b"0", b"0"]
