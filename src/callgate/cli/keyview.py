"""A stored key as people and programs see it: never the key itself, nor its digest."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click
import msgspec

from callgate.cli.output import day, json_line, printable
from callgate.core.allowance import Allowance
from callgate.store.base import Key

_STATES = {
    "active": "green", "ending": "yellow", "expired": "red", "revoked": "red", "unreadable": "red",
}  # fmt: skip


def tell_new(text: str, key: Key, *, as_json: bool, replaces: Key | None = None) -> None:
    """The key alone goes to standard output, so that a script can take it from there."""
    if as_json:
        extra = {"replaces": public(replaces, key.created)} if replaces else {}
        json_line({"key": text, **public(key, key.created), **extra})
        return
    click.echo(text)
    ends = f", until {day(key.expires)}" if key.expires is not None else ""
    click.echo(
        f"This is {key.id} ({printable(key.name)}) of account {printable(key.account)}{ends}.\n"
        "The key is shown only this once; what is kept is its hash.",
        err=True,
    )
    if replaces is not None:
        click.echo(f"It replaces {replaces.id}, which ends {day(replaces.ends())}.", err=True)


def state(key: Key, now: int) -> str:
    """`active`, `ending` (to be refused from a set time on), `expired`, `revoked` or `unreadable`
    (refused, as a newer version has written what this one does not understand).
    """
    if key.revoked is not None and key.revoked <= now:
        return "revoked"
    if key.expires is not None and key.expires <= now:
        return "expired"
    if key.unreadable:
        return "unreadable"
    return "active" if key.revoked is None else "ending"


def public(key: Key, now: int) -> dict[str, Any]:
    """A key as JSON: everything but its digest. Times are Unix milliseconds."""
    fields = msgspec.structs.asdict(key)
    del fields["digest"]
    if not key.unreadable:
        del fields["unreadable"]
    allowance = None if key.allowance is None else msgspec.to_builtins(key.allowance)
    revoked = None if key.revoked is None else abs(key.revoked)
    fields |= {"revoked": revoked, "limits": dict(key.limits), "allowance": allowance}
    return {**fields, "state": state(key, now), "ends": key.ends()}


def row(key: Key, now: int) -> tuple[str, ...]:
    """A key as the cells of a line of the list."""
    condition = state(key, now)
    only = "all" if key.models is None else ", ".join(_with_limit(key, name) for name in key.models)
    if key.unreadable:
        only = "?"
    others = [_with_limit(key, name) for name in key.limits if name not in (key.models or ())]
    others += _allowed(key)
    models = only + (f"; limits {', '.join(others)}" if others else "")
    return (
        key.id,
        printable(key.name),
        printable(key.account),
        f"…{key.hint}",
        key.region,
        day(key.created),
        day(key.ends()),
        click.style(condition, fg=_STATES[condition]),
        printable(models, 120),
    )


def spoken(key: Key) -> Iterator[tuple[str, str]]:
    """What can be changed of a key, each by its name, as a person reads it."""
    yield "name", printable(key.name)
    yield "expires", day(key.expires)
    yield "models", "all" if key.models is None else printable(", ".join(key.models), 300)
    yield "capture", key.capture or "default"
    allowance: dict[str, Any] = msgspec.to_builtins(key.allowance or Allowance())
    by_model = {"rate limit": key.limits, "token limit": allowance.pop("token_limits", {})}
    for kind, limits in by_model.items():
        for model, limit in limits.items():
            yield f"{kind} of {model}", str(limit)
    for kind, amount in allowance.items():
        yield kind.replace("_", " "), str(amount)


def _allowed(key: Key) -> list[str]:
    """The key's own limits on tokens and money, in words."""
    own = key.allowance
    if own is None:
        return []
    amounts = (
        (own.tokens_per_minute, "tokens/min"),
        (own.budget_day, "USD/day"),
        (own.budget_month, "USD/month"),
    )
    by_model = [f"{model}={limit} tokens/min" for model, limit in own.token_limits.items()]
    return by_model + [f"{amount:g} {unit}" for amount, unit in amounts if amount is not None]


def _with_limit(key: Key, model: str) -> str:
    limit = key.limits.get(model)
    return model if limit is None else f"{model}={limit}"
