"""What was spent, and on which budgets it bears."""

from __future__ import annotations

from datetime import date

import pytest

from callgate.core.allowance import Allowance, Spent, bears, budgets


@pytest.mark.parametrize(
    ("day", "of_day", "of_month"),
    [
        (date(2026, 10, 9), True, True),
        (date(2026, 10, 1), False, True),
        (date(2026, 10, 31), False, True),
        (date(2026, 9, 30), False, False),
        (date(2026, 11, 1), False, False),
        (date(2025, 10, 9), False, False),
        (date(2099, 10, 9), False, False),
    ],
)
def test_a_budget_bears_what_was_spent_in_its_own_period(
    day: date, *, of_day: bool, of_month: bool
) -> None:
    daily, monthly = budgets("account", "", Allowance(budget_day=1.0, budget_month=9.0))
    spent = Spent(day, "acme", "k", "m", 0.5)
    assert bears(daily, "acme", spent, date(2026, 10, 9)) is of_day
    assert bears(monthly, "acme", spent, date(2026, 10, 1)) is of_month
