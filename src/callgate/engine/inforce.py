"""Budgets as they are in force, and which of them come into force while calls are served."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from callgate.core.allowance import Allowance, Rule, Scope, allowance_of, budgets, budgets_of
from callgate.core.models import Model
from callgate.store.base import Key

_Holder = tuple[Scope, str]
"""Whose budget it is, by the account's name, the key's id or the model's name."""


class InForce:
    """Remembers how budgets stood at the last look.

    A request draws on those alone that are in force. So the counter of one that comes back has to
    be told what was spent meanwhile.
    """

    __slots__ = ("_before",)

    def __init__(self) -> None:
        self._before: Mapping[_Holder, Allowance | None] = {}

    def look(
        self, accounts: Mapping[str, Allowance], models: Iterable[Model], keys: Collection[Key]
    ) -> list[tuple[str, Rule]]:
        """The budgets that were not in force at the last look, each with its account.

        Accounts and keys that were not there have spent nothing, so theirs are left out.
        """
        names = {key.account for key in keys}
        now: dict[_Holder, Allowance | None] = {}
        owners: dict[_Holder, Collection[str]] = {}
        for name in names:
            now["account", name] = allowance_of(accounts, name)
            owners["account", name] = (name,)
        for key in keys:
            now["key", key.id] = key.allowance
            owners["key", key.id] = (key.account,)
        before, self._before = self._before, now
        new = now.keys() - before.keys()
        known = [name for name in names if ("account", name) not in new]
        for model in models:
            now["model", model.name] = budgets_of(model)
            owners["model", model.name] = known
        return [
            (account, rule)
            for holder, allowance in now.items()
            if allowance is not None and holder not in new
            for rule in _entered(holder, allowance, before.get(holder))
            for account in owners[holder]
        ]


def _entered(holder: _Holder, allowance: Allowance, earlier: Allowance | None) -> list[Rule]:
    """A holder's rules on money that it did not have earlier."""
    scope, name = holder
    subject = "" if scope == "account" else name
    had = {rule.name for rule in budgets(scope, subject, earlier)}
    return [rule for rule in budgets(scope, subject, allowance) if rule.name not in had]
