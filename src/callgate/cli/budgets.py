"""What of each budget is spent, by the totals in the store and the records still to be shipped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime

import click
from msgspec import Struct

from callgate.cli.keyview import state
from callgate.cli.output import printable, table
from callgate.config import Config
from callgate.core.allowance import Rule, Spent, allowance_of, bears, rules
from callgate.core.limits import beginning
from callgate.core.pricing import NANO
from callgate.store.base import Key, Store
from callgate.store.spending import spent_since


class Standing(Struct, frozen=True, kw_only=True):
    """How one budget stands in its present day or month of UTC, in US dollars.

    `subject` is the id of the key or the name of the model, empty for the account.
    """

    account: str
    scope: str
    subject: str
    period: str
    since: date
    budget_usd: float
    spent_usd: float
    share: float


def standings(config: Config, store: Store, now: float) -> list[Standing]:
    """Every budget that a key can draw on, the fullest first; `now` is Unix seconds. Blocks."""
    budgets = _budgets(config, store.keys.all(), now)
    begins = {name: _since(rule, now) for name, rule in budgets.items()}
    if not budgets:
        return []
    spent = spent_since(store.requests, config.journal_dir, min(begins.values()))
    found = [
        _standing(account, rule, spent, begins[account, name])
        for (account, name), rule in budgets.items()
    ]
    return sorted(found, key=lambda one: -one.share)


def narrowed(
    found: Iterable[Standing], *, account: str | None, key_id: str | None, model: str | None
) -> list[Standing]:
    """Those of an account, of a key and of a model, as far as these are given."""
    wanted = {("key", key_id), ("model", model)}
    subjects = {subject for subject in wanted if subject[1] is not None}
    return [
        one
        for one in found
        if account in (None, one.account) and (not subjects or (one.scope, one.subject) in subjects)
    ]


def show(found: Sequence[Standing]) -> None:
    """Print them as a table."""
    if not found:
        click.echo("no budgets")
        return
    head = ("account", "budget of", "period", "spent", "budget", "share")
    rows = [
        (
            printable(one.account, 60),
            printable(f"{one.scope} {one.subject}".rstrip(), 80),
            one.period,
            f"${one.spent_usd:,.4f}",
            f"${one.budget_usd:,.2f}",
            f"{one.share:.0%}",
        )
        for one in found
    ]
    table(head, rows, numbers=3)


def _budgets(config: Config, keys: Iterable[Key], now: float) -> dict[tuple[str, str], Rule]:
    accounts = config.allowances
    # What is of an account or key is so with any model.
    models = list(config.models.values())
    own = [one for one in models if (one.budget_day, one.budget_month) != (None, None)]
    return {
        (key.account, rule.name): rule
        for key in keys
        if state(key, int(now * 1000)) in ("active", "ending")
        for model in own or models[:1]
        for rule in rules(allowance_of(accounts, key.account), key.id, key.allowance, model)
        if rule.measure == "spend"
    }


def _since(rule: Rule, now: float) -> date:
    begins = beginning(rule.period, int(now * 1_000_000))
    return datetime.fromtimestamp(begins // 1_000_000, UTC).date()


def _standing(account: str, rule: Rule, spent: Iterable[Spent], since: date) -> Standing:
    total = sum(one.cost for one in spent if bears(rule, account, one, since))
    budget = rule.limit / NANO
    return Standing(
        account=account,
        scope=rule.scope,
        subject=rule.subject,
        period=rule.period.name.lower(),
        since=since,
        budget_usd=budget,
        spent_usd=total,
        share=total / budget,
    )
