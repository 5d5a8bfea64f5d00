"""Tokens and money: what a request reserves, and what it turns out to have used."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType

from callgate.core.allowance import Allowance, Rule, allowance_of, rules
from callgate.core.chat import Usage
from callgate.core.limits import WINDOW_US, Draw, Level, Period, beginning, ending
from callgate.core.models import Model
from callgate.core.price import Price
from callgate.core.pricing import NANO, cost, nano, total_cost
from callgate.core.quota import Correction, Grant, Quota
from callgate.core.record import BUDGET_LOW, COUNTED_ALONE
from callgate.core.request import ChatRequest
from callgate.core.target import Target
from callgate.core.validate import output_limit
from callgate.engine.call import Call, TokenQuota
from callgate.engine.estimate import estimate
from callgate.errors import GatewayError
from callgate.store.base import Counters, Key

_NOTHING: Mapping[str, int | None] = MappingProxyType({"tokens": 0, "spend": 0})
_MOST_KNOWN = 10_000
_log = logging.getLogger("callgate.budgets")

OnNewBudget = Callable[[str, Rule, int], None]


class Reservation:
    """What was reserved for one candidate of a call; the first draw is the request itself."""

    __slots__ = ("draws", "grant", "model", "rules")

    def __init__(
        self, model: Model, rules: Sequence[Rule], draws: list[Draw], grant: Grant
    ) -> None:
        self.model = model
        self.rules = rules
        self.draws = draws
        self.grant = grant


class Metering:
    """Limits on tokens and money of every account, key and model.

    `accounts` are the allowances of accounts by name, `EVERYONE` for all others; `warn_at` is the
    share of a budget at which warnings begin; `on_new_budget` (account, rule, start of the period)
    is called for each budget whose counter does not yet know what was spent earlier.
    """

    def __init__(
        self,
        counters: Counters,
        accounts: Mapping[str, Allowance],
        models: Sequence[Model],
        prices: Callable[[Target], Price | None],
        *,
        warn_at: float,
    ) -> None:
        self.on_new_budget: OnNewBudget | None = None
        self.accounts = accounts
        self._counters = counters
        self._prices = prices
        self._warn_at = warn_at
        self._warned: set[tuple[str, str, int]] = set()
        self._known: dict[tuple[str, str], tuple[Key, Model, tuple[Rule, ...]] | None] = {}
        self._models: dict[str, Model] = {}
        self._always = False
        self.follow(accounts, models)

    def follow(self, accounts: Mapping[str, Allowance], models: Collection[Model]) -> None:
        """Apply these from now on. Counters and present reservations are not affected."""
        self.accounts = accounts
        self._models = {model.name: model for model in models}
        self._always = bool(accounts) or any(_is_metered(model) for model in models)
        self._known = dict.fromkeys(self._known)  # `met` still needs the pairs

    def rules(self, key: Key, model: Model) -> tuple[Rule, ...]:
        """The limits besides that on requests; usually none, which costs next to nothing."""
        if not self._always and key.allowance is None:
            return ()
        known = self._known.get((key.id, model.name))
        if known is not None and known[0] is key and known[1] is model:
            return known[2]
        account = allowance_of(self.accounts, key.account)
        found = rules(account, key.id, key.allowance, model)
        if len(self._known) >= _MOST_KNOWN:
            self._known.clear()
        self._known[key.id, model.name] = (key, model, found)
        return found

    def budgets(self, keys: Iterable[Key], models: Collection[Model]) -> Iterator[tuple[str, Rule]]:
        """Every budget that these keys can draw on, with its account."""
        for key in keys:
            for model in models:
                for rule in self.rules(key, model):
                    if rule.measure == "spend":
                        yield key.account, rule

    def met(self, keys: Iterable[Key], now: float) -> Iterator[tuple[str, Rule]]:
        """The limits that requests of these keys have come under so far, with their account.

        Includes those that `budgets` has returned, but not those of keys that have ended.
        """
        if not self._known:
            return
        ends = now * 1000
        present = {key.id: key for key in keys if (key.dead_at() or math.inf) > ends}
        for key_id, name in list(self._known):
            key, model = present.get(key_id), self._models.get(name)
            if key is not None and model is not None:
                for rule in self.rules(key, model):
                    yield key.account, rule

    async def reserve(
        self,
        call: Call,
        key: Key,
        model: Model,
        request: ChatRequest,
        limit: int,
        found: Sequence[Rule],
    ) -> Quota:
        """Take one request, its tokens and its price in one step, or nothing.

        A model that is known to be free draws on no budget, so it answers even if one is spent.
        Tokens and price are estimates, corrected once the answer is known. Raises GatewayError
        `rate_limited` or `budget_exhausted` if one of these limits refuses; if the limit on
        requests does, the quota says so.
        """
        expected = _estimate(request, model)
        spend = self._most(model, expected)
        if spend is None:
            found = [rule for rule in found if rule.measure != "spend"]
        now = call.now()
        draws = _draws(now, model, limit, found, expected.total_tokens, spend or 0)
        grant = await self._counters.draw(key.account, draws, now)
        if call.tape is not None:
            call.tape.drawn(draws, grant)
        first = grant.levels[0]
        reset = now + (first.opened + WINDOW_US - grant.now) / 1e6
        left = max(0, limit - first.used)
        window = Quota(grant.refused != 0, limit, left, reset, grant.exact)
        levels = grant.levels[1:]
        if grant.refused is None or call.token_quota is None:
            call.token_quota = _tightest(now, found, levels, grant.now) or call.token_quota
        if grant.refused is None:
            call.reservations = (
                *call.reservations, Reservation(model, found, draws, grant),
            )  # fmt: skip
            self._look_after(call, key, found, levels)
        elif grant.refused:
            call.quota, call.model = call.quota or window, call.model or model
            at = grant.refused - 1
            if not grant.exact:
                note_share(call)
            raise self._refusal(key, model, expected, found[at], levels[at], grant.now)
        return window

    def settle(self, call: Call) -> None:
        """Correct the reservations: only models that answered, even in part, used anything."""
        key = call.key
        assert key is not None
        used = self._used(call)
        for taken in reversed(call.reservations):
            # Once per model, matched by name: some attempts have it with fewer deployments.
            real = used.pop(taken.model.name, _NOTHING)
            levels = taken.grant.levels
            corrections = []
            for at, rule in enumerate(taken.rules, 1):
                draw, amount = taken.draws[at], real[rule.measure]
                reserved = min(draw.amount, draw.limit)
                if amount is not None and amount != reserved:
                    opened = levels[at].opened
                    corrections.append(
                        Correction(draw.name, draw.period, opened, amount - reserved)
                    )
            if corrections:
                self._counters.settle(key.account, corrections, call.now(), of=taken.grant)
        call.reservations = ()

    def _used(self, call: Call) -> dict[str, Mapping[str, int | None]]:
        """What the call has used of each model; a spend of None means an unknown price."""
        parts: Sequence[tuple[Target, Usage]] = call.parts
        if not parts and call.target is not None and call.usage is not None:
            parts = [(call.target, call.usage)]
        names = {target.model.name for target, _ in parts}
        used: dict[str, Mapping[str, int | None]] = {}
        for name in names:
            own = [(target, usage) for target, usage in parts if target.model.name == name]
            spent = call.cost_usd
            if len(names) > 1:
                spent = total_cost(own, self._prices)
            used[name] = {
                "tokens": sum(usage.input_tokens + usage.output_tokens for _, usage in own),
                "spend": None if spent is None else nano(spent),
            }
        return used

    def _most(self, model: Model, usage: Usage) -> int | None:
        """What this costs at the model's most expensive deployment, in billionths of a dollar.

        Unknown prices count as 0; None if every deployment is known to be free.
        """
        prices = [self._prices(Target(model, one)) for one in model.deployments]
        if all(price is not None and price.free for price in prices):
            return None
        return max(0 if price is None else nano(cost(usage, price)) for price in prices)

    def _look_after(
        self, call: Call, key: Key, found: Sequence[Rule], levels: Sequence[Level]
    ) -> None:
        """Warn of nearly spent budgets; report counters that do not know earlier spending."""
        for at, rule in enumerate(found):
            if rule.measure != "spend":
                continue
            level = levels[at]
            if level.birth and self.on_new_budget is not None:
                self.on_new_budget(key.account, rule, level.opened)
            if level.used >= rule.limit * self._warn_at:
                share = f"{rule.scope} {_span(rule)} {level.used * 100 // rule.limit}%"
                call.budget_warning = call.budget_warning or share
                call.notes.append(BUDGET_LOW + share)
                told = (key.account, rule.name, level.opened)
                if told not in self._warned:
                    if len(self._warned) >= _MOST_KNOWN:
                        self._warned.clear()
                    self._warned.add(told)
                    extra = {"account": key.account, "budget": share, "subject": rule.subject}
                    _log.warning("a budget is nearly spent", extra=extra)

    def _refusal(
        self, key: Key, model: Model, expected: Usage, rule: Rule, level: Level, now: int
    ) -> GatewayError:
        wait = max(1.0, (ending(rule.period, level.opened) - now) / 1e6)
        if rule.measure == "tokens":
            whom = f"model {model.name!r}" if rule.scope == "model" else f"this {rule.scope}"
            return GatewayError(
                "rate_limited",
                f"Token limit of {rule.limit} tokens per 60 s for {whom} is used up; this request "
                f"needs about {expected.total_tokens}",
                retry_after=wait,
                cause="Too few tokens are left for this request in the current 60-second window.",
                fix="Wait as long as `Retry-After` says, send shorter prompts or a lower "
                "`max_tokens`, or ask the operator for a higher limit.",
            )
        return GatewayError(
            "budget_exhausted",
            f"The budget of {_dollars(rule.limit)} US dollars per {_span(rule)} of "
            f"{rule.scope} {rule.subject or key.account!r} is spent",
            retry_after=wait,
        )


def note_share(call: Call) -> None:
    """Note on the call, for the response and the record, that this process counted alone."""
    call.degraded = True
    if COUNTED_ALONE not in call.notes:
        call.notes.append(COUNTED_ALONE)


def _draws(
    now: float, model: Model, limit: int, found: Sequence[Rule], tokens: int, spend: int
) -> list[Draw]:
    """One request from the model's window, and the most it may use of each of these limits."""
    at = int(now * 1_000_000)
    amounts = {"tokens": tokens, "spend": spend}
    draws = [Draw(model.name, limit, 1)]
    for rule in found:
        begins = beginning(rule.period, at)
        draws.append(Draw(rule.name, rule.limit, amounts[rule.measure], rule.period, begins))
    return draws


def _is_metered(model: Model) -> bool:
    return (model.token_limit, model.budget_day, model.budget_month) != (None, None, None)


def _estimate(request: ChatRequest, model: Model) -> Usage:
    """The prompt, and all the output that the request allows."""
    output = output_limit(request, model.max_output_tokens) * (request.body.n or 1)
    return estimate(request, model, output)


def _tightest(
    now: float, found: Sequence[Rule], levels: Sequence[Level], counted: int
) -> TokenQuota | None:
    """The token limit with the least left; `counted` is the time by the counters' clock (µs)."""
    tightest, least = -1, 0
    for at, rule in enumerate(found):
        if rule.measure == "tokens":
            left = max(0, rule.limit - levels[at].used)
            if tightest < 0 or left < least:
                tightest, least = at, left
    if tightest < 0:
        return None
    reset = now + (levels[tightest].opened + WINDOW_US - counted) / 1e6
    return TokenQuota(found[tightest].limit, least, reset)


def _dollars(nano: int) -> str:
    """Nano-dollars as dollars with at least two decimals: `50.00`, `0.0001`."""
    whole, rest = divmod(nano, NANO)
    return f"{whole}.{f'{rest:09d}'.rstrip('0'):0<2}"


def _span(rule: Rule) -> str:
    return "day" if rule.period is Period.DAY else "month"
