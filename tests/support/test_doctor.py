"""What is wrong with a set-up, told without looking at any machine."""

from __future__ import annotations

import pytest

from callgate.support.doctor import of_schemas


@pytest.mark.parametrize(("checked", "state"), [(True, "ok"), (False, "warning")])
def test_whether_answers_can_be_held_against_schemas(checked: bool, state: str) -> None:
    finding = of_schemas(checked=checked)
    assert finding.state == state
    assert ("callgate[structured]" in finding.fix) is not checked
