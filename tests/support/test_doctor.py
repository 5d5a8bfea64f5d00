"""What is wrong with a set-up, told without looking at any machine."""

from __future__ import annotations

import pytest

from callgate.support.doctor import of_refused_counters, of_schemas


@pytest.mark.parametrize(("checked", "state"), [(True, "ok"), (False, "warning")])
def test_whether_answers_can_be_held_against_schemas(checked: bool, state: str) -> None:
    finding = of_schemas(checked=checked)
    assert finding.state == state
    assert ("callgate[structured]" in finding.fix) is not checked


def test_a_refusal_to_count_is_told_with_its_fix() -> None:
    found = of_refused_counters("counters.url: redis://h: READONLY; name the primary")
    assert found.what == "counters.url: redis://h: READONLY"
    assert found.fix.startswith("Name the primary. ")
