"""Which budgets come into force while calls are served."""

from __future__ import annotations

from dataclasses import replace

from callgate.core.allowance import EVERYONE, Allowance, rules
from callgate.core.limits import Period
from callgate.core.models import Model
from callgate.engine.activebudgets import ActiveBudgets
from callgate.store.base import Key

DAY = Allowance(budget_day=5.0)
BOTH = Allowance(budget_day=5.0, budget_month=9.0)
Entered = set[tuple[str, str, str, str]]


def model(**changes: float) -> Model:
    return replace(Model(name="m", deployments=()), **changes)


def key(name: str, account: str = "acme", allowance: Allowance | None = None) -> Key:
    return Key(
        id=name,
        digest=name.encode(),
        hint="",
        name="",
        account=account,
        region="us",
        created=0,
        allowance=allowance,
    )


class Watch:
    """An `ActiveBudgets` that has looked at two accounts without budgets."""

    def __init__(self) -> None:
        self._in_force = ActiveBudgets()
        assert self() == set()

    def __call__(
        self, accounts: dict[str, Allowance] | None = None, *keys: Key, at: Model | None = None
    ) -> Entered:
        have = {one.id: one for one in (key("k"), key("r", "rival"), *keys)}
        found = self._in_force.look(accounts or {}, [at or model()], list(have.values()))
        assert len(set(found)) == len(found)
        return {
            (account, rule.scope, rule.subject, rule.period.name.lower()) for account, rule in found
        }


def test_a_budget_of_an_account_enters_when_it_is_given_and_when_it_comes_back() -> None:
    watch = Watch()
    assert watch({"acme": DAY}) == {("acme", "account", "", "day")}
    assert watch({"acme": DAY}) == set()
    assert watch({"acme": Allowance(budget_day=1.0)}) == set()  # another limit of the same
    assert watch({"acme": BOTH}) == {("acme", "account", "", "month")}
    assert watch({}) == set()
    assert watch({EVERYONE: DAY}) == {
        ("acme", "account", "", "day"),
        ("rival", "account", "", "day"),
    }


def test_a_budget_of_a_model_enters_for_every_account() -> None:
    watch = Watch()
    both = {("acme", "model", "m", "month"), ("rival", "model", "m", "month")}
    assert watch(at=model(budget_month=5.0)) == both
    assert watch(at=model(budget_month=5.0)) == set()
    assert watch(at=model(token_limit=5)) == set()
    assert watch(at=model(budget_month=7.0)) == both


def test_a_budget_of_a_key_enters_for_its_account() -> None:
    watch = Watch()
    assert watch({}, key("k", allowance=BOTH)) == {
        ("acme", "key", "k", "day"),
        ("acme", "key", "k", "month"),
    }
    assert watch({}, key("k", allowance=BOTH)) == set()


def test_new_accounts_and_keys_have_spent_nothing() -> None:
    watch = Watch()
    assert watch({}, key("k"), key("n", "new", DAY)) == set()
    assert watch({"new": DAY}, key("n", "new", DAY)) == {("new", "account", "", "day")}


def test_they_are_the_rules_that_requests_go_by() -> None:
    active, own = ActiveBudgets(), model(budget_day=1.0)
    active.look({}, [model()], [key("k")])
    found = active.look({"acme": BOTH}, [own], [key("k", allowance=BOTH)])
    asked = rules(BOTH, "k", BOTH, own)
    assert {rule for _, rule in found} == set(asked)
    assert all(rule.period is not Period.WINDOW for rule in asked)
