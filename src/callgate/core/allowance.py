"""Token limits and budgets: what may be used beside the number of requests, and by whom."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Literal, NamedTuple

from msgspec import Struct

from callgate.core.limits import Period
from callgate.core.models import Model
from callgate.core.pricing import nano

EVERYONE = "*"
"""The name under which stands what holds for the accounts that have nothing of their own."""

Measure = Literal["tokens", "spend"]
Scope = Literal["account", "key", "model"]


class Allowance(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What an account or a key may use, over all models; None: no such limit.

    Tokens are counted per 60 seconds, US dollars per day and month of UTC. `token_limits` replaces
    the `token_limit` of models, for a key alone.
    """

    tokens_per_minute: int | None = None
    budget_day: float | None = None
    budget_month: float | None = None
    token_limits: Mapping[str, int] = {}


class Rule(NamedTuple):
    """A limit that applies to a request: `name` is its counter's within the account.

    `limit` is in tokens or in billionths of a US dollar; `subject` is the id of the key or the name
    of the model, empty for the account.
    """

    measure: Measure
    scope: Scope
    subject: str
    period: Period
    limit: int
    name: str


class Filled(NamedTuple):
    """How far a limit of an account is used up, in the rule's own measure."""

    account: str
    rule: Rule
    used: int


class Spent(NamedTuple):
    """What was spent on one day by one key at one model, in US dollars."""

    day: date
    account: str
    key_id: str
    model: str
    cost: float


def rules(
    account: Allowance | None, key_id: str, key: Allowance | None, model: Model
) -> tuple[Rule, ...]:
    """Every limit beside that of requests that applies to a request for the model."""
    tokens = model.token_limit
    if key is not None:
        tokens = key.token_limits.get(model.name, tokens)
    own = budgets_of(model, tokens)
    given: tuple[tuple[Scope, str, Allowance | None], ...] = (
        ("account", "", account),
        ("key", key_id, key),
        ("model", model.name, own),
    )
    found = []
    for scope, subject, allowance in given:
        if allowance is None:
            continue
        if allowance.tokens_per_minute is not None:
            rule = _rule("tokens", scope, subject, Period.WINDOW, allowance.tokens_per_minute)
            found.append(rule)
        found += budgets(scope, subject, allowance)
    return tuple(found)


def budgets(scope: Scope, subject: str, allowance: Allowance | None) -> list[Rule]:
    """The limits on money alone, of one account, key or model. Accounts' have no subject."""
    if allowance is None:
        return []
    given = ((Period.DAY, allowance.budget_day), (Period.MONTH, allowance.budget_month))
    return [
        _rule("spend", scope, subject, period, nano(dollars))
        for period, dollars in given
        if dollars is not None
    ]


def budgets_of(model: Model, tokens: int | None = None) -> Allowance:
    """What each account may use at a model; `tokens` are per 60 seconds."""
    return Allowance(
        tokens_per_minute=tokens, budget_day=model.budget_day, budget_month=model.budget_month
    )


def allowance_of(accounts: Mapping[str, Allowance], account: str) -> Allowance | None:
    """That of the account by its name, or else that of `EVERYONE`."""
    return accounts.get(account, accounts.get(EVERYONE))


def bears(rule: Rule, account: str, spent: Spent, since: date) -> bool:
    """Whether what was spent counts towards a budget of the account whose period began then.

    What is dated after that period is a clock's that was wrong, or a gateway's that is ahead.
    """
    day = spent.day
    if rule.period is Period.MONTH:
        day = day.replace(day=1)
    of = {"account": "", "key": spent.key_id, "model": spent.model}[rule.scope]
    return spent.account == account and day == since and of == rule.subject


def _rule(measure: Measure, scope: Scope, subject: str, period: Period, limit: int) -> Rule:
    # No model's name begins with a tab, so none of these is a window of requests.
    name = f"\t{measure}:{period.name.lower()}:{scope}:{subject}"
    return Rule(measure, scope, subject, period, limit, name)
