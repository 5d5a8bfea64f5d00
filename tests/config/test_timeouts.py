"""Which timeouts a deployment ends up with."""

from __future__ import annotations

from pathlib import Path

import pytest

from callgate.config import load
from callgate.config.settings import TimeoutsTable
from callgate.config.timeouts import THINKING, USUAL, Wish, resolved, usual
from callgate.core.models import Timeouts


def wish(path: str, **phases: float) -> Wish:
    return Wish(path, TimeoutsTable(**phases))


def test_the_model_comes_before_its_provider_and_that_before_the_defaults() -> None:
    wishes = (wish("providers.p", headers=9, silence=8), wish("models.m", silence=3))
    found, mistakes = resolved(wishes, USUAL)
    assert mistakes == []
    assert found == Timeouts(headers=9, silence=3)


def test_defaults_end_with_a_lower_total() -> None:
    found, mistakes = resolved((wish("models.m", total=20),), USUAL)
    assert mistakes == []
    assert found == Timeouts(connect=5, headers=20, first_token=20, silence=20, total=20)


@pytest.mark.parametrize("parameter", ["reasoning_effort", "reasoning", "thinking"])
def test_models_that_think_are_given_more_time(parameter: str) -> None:
    assert usual(["temperature", parameter]) is THINKING
    assert usual(["temperature"]) is usual([]) is USUAL


def test_each_default_is_sound_by_itself() -> None:
    for times in (USUAL, THINKING):
        assert resolved((), times) == (times, [])
        assert times.total >= max(times.connect, times.headers, times.first_token, times.silence)


def test_a_file_sets_them_for_one_model(tmp_path: Path) -> None:
    file = tmp_path / "callgate.toml"
    file.write_text(
        "[providers.openai]\napi_key = 'x'\ntimeouts = { connect = 2 }\n"
        "[models.'gpt-4.1'.timeouts]\nfirst_token = 4\n"
        "[models.o]\nprovider = 'openai'\nsupported_parameters = ['reasoning_effort']\n"
    )
    models = load(file, {}).models
    assert models["gpt-4.1"].deployments[0].timeouts == Timeouts(connect=2, first_token=4)
    assert models["gpt-4.1-mini"].deployments[0].timeouts == Timeouts(connect=2)
    assert models["o"].deployments[0].timeouts.first_token == THINKING.first_token
    assert models["gpt-5"].deployments[0].timeouts.total == THINKING.total
