"""Which budgets come into force while calls are served: new ones, and those that return."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from callgate.core.allowance import Allowance, Rule, Scope, allowance_of, budgets, budgets_of
from callgate.core.models import Model
from callgate.store.base import Key

_Held = Mapping[str, Allowance | None]
"""What each account, key or model has, by its name or id."""


class ActiveBudgets:
    """Remembers how budgets stood at the last look.

    Requests draw only on budgets that are in force, so when one returns, its counter has to be told
    what was spent in between.
    """

    __slots__ = ("_accounts", "_keys", "_models")

    def __init__(self) -> None:
        self._accounts: _Held = {}
        self._keys: _Held = {}
        self._models: _Held = {}

    def look(
        self, accounts: Mapping[str, Allowance], models: Iterable[Model], keys: Collection[Key]
    ) -> list[tuple[str, Rule]]:
        """The budgets that have come into force since the last look, each with its account.

        Those of new accounts and keys are left out: these have spent nothing yet.
        """
        of_accounts = {name: allowance_of(accounts, name) for name in {key.account for key in keys}}
        of_keys = {key.id: key.allowance for key in keys}
        of_models = {model.name: budgets_of(model) for model in models}
        known = of_accounts.keys() & self._accounts.keys()
        found = [
            (name, rule)
            for name in known
            for rule in _entered("account", "", of_accounts[name], self._accounts[name])
        ]
        found += [
            (key.account, rule)
            for key in keys
            if key.allowance is not None and key.id in self._keys
            for rule in _entered("key", key.id, key.allowance, self._keys[key.id])
        ]
        found += [
            (account, rule)
            for name, own in of_models.items()
            for rule in _entered("model", name, own, self._models.get(name))
            for account in known
        ]
        self._accounts, self._keys, self._models = of_accounts, of_keys, of_models
        return found


def _entered(
    scope: Scope, subject: str, now: Allowance | None, earlier: Allowance | None
) -> list[Rule]:
    """The rules on money that a holder has now and did not have before."""
    if now == earlier:  # as it is with nearly all
        return []
    had = {rule.name for rule in budgets(scope, subject, earlier)}
    return [rule for rule in budgets(scope, subject, now) if rule.name not in had]
