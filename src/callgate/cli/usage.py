"""`callgate usage`: requests, tokens and cost, in totals by whatever is asked for."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

import click
from click.core import ParameterSource

from callgate.cli.budgets import narrowed, show, standings
from callgate.cli.keylookup import id_of_key
from callgate.cli.opening import opened
from callgate.cli.options import config_option, json_option, limit_option, sought
from callgate.cli.output import json_line, printable, table
from callgate.config import Config
from callgate.config.overlay import overlaid
from callgate.store.base import Usage, UsageQuery
from callgate.store.journal.unshipped import backlog

_DIMENSIONS = {
    "account": "account",
    "key": "key_id",
    "model": "model",
    "served": "served",
    "provider": "provider",
    "day": "day",
}
"""What `--by` takes, and what the store calls it."""

_BACK = re.compile(r"([0-9]{1,5})d")
_NUMBERS = {
    "requests": "requests",
    "errors": "errors",
    "input": "input_tokens",
    "cached": "cached_tokens",
    "output": "output_tokens",
    "reasoning": "reasoning_tokens",
}


def _by(text: str) -> tuple[str, ...]:
    """`account,model,day` as the store's names, each once."""
    names = tuple(dict.fromkeys(word.strip().lower() for word in text.split(",")))
    unknown = [name for name in names if name not in _DIMENSIONS]
    if unknown:
        known = ", ".join(_DIMENSIONS)
        raise click.BadParameter(f"{unknown[0]!r} is not one of {known}")
    return tuple(_DIMENSIONS[name] for name in names)


def _day(text: str) -> date:
    """A date, `today`, `yesterday`, or so many days ago as `30d`; days are those of UTC."""
    today = datetime.now(UTC).date()
    back = _BACK.fullmatch(text)
    try:
        if back is not None:
            return today - timedelta(int(back[1]))
        named = {"today": today, "yesterday": today - timedelta(1)}
        return named[text] if text in named else date.fromisoformat(text)
    except (ValueError, OverflowError):
        raise click.BadParameter(
            f"{text!r} is not a day; write 2026-01-31, today, yesterday or 30d"
        ) from None


@click.command()
@click.option(
    "--by", type=_by, default="account,model", metavar="WORDS", show_default=True,
    help="What to group by: account, key, model, served, provider, day; comma-separated.",
)  # fmt: skip
@click.option("--since", type=_day, metavar="DAY", help="The first day: 2026-01-31, today, 30d, …")
@click.option("--until", type=_day, metavar="DAY", help="The last day; it is included.")
@click.option("--account", type=sought, metavar="NAME", help="Only this account's.")
@click.option(
    "--key",
    "key_id",
    type=sought,
    metavar="ID",
    help="Only those made with this key, given by its id or as the key itself.",
)
@click.option("--model", type=sought, metavar="NAME", help="Only those that asked for this model.")
@click.option("--budgets", is_flag=True, help="Show how much of each budget is spent instead.")
@config_option
@json_option
@limit_option(None, "lines")
def usage(
    *,
    config: Config,
    by: tuple[str, ...],
    since: date | None,
    until: date | None,
    account: str | None,
    key_id: str | None,
    model: str | None,
    budgets: bool,
    limit: int | None,
    as_json: bool,
) -> None:
    """Total requests, errors, tokens and cost by account, model, day or other.

    Totals are kept by the day (UTC) and outlive the records. `served` is the model that answered,
    `model` the one that was asked for: they differ where a fallback answered.
    """
    if since is not None and until is not None and until < since:
        raise click.BadParameter(f"{until} is before {since}", param_hint="--until")
    key_id = id_of_key(config, key_id)
    if budgets:
        _budgets(config, account, key_id, model, limit, as_json=as_json)
        return
    given = {"account": account, "key_id": key_id, "model": model}
    equal = {name: value for name, value in given.items() if value is not None}
    with opened(config) as store:
        query = UsageQuery(by=by, equal=equal, since=since, until=until)
        totals = list(store.requests.usage(query))
        whole = list(store.requests.usage(UsageQuery(equal=equal, since=since, until=until)))
    shown = totals[:limit]
    if as_json:
        for total in shown:
            json_line(total)
    else:
        _print(by, shown, whole)
    waiting = backlog(config.journal_dir, time.time())
    if waiting.bytes:
        click.echo(
            f"callgate: note: {waiting.bytes:,} bytes of records wait in this machine's journal "
            "and are not counted yet",
            err=True,
        )


def _budgets(
    config: Config,
    account: str | None,
    key_id: str | None,
    model: str | None,
    limit: int | None,
    *,
    as_json: bool,
) -> None:
    context = click.get_current_context()
    for name in ("by", "since", "until"):
        if context.get_parameter_source(name) is not ParameterSource.DEFAULT:
            raise click.UsageError(f"--budgets shows the current day and month; leave out --{name}")
    with opened(config) as store:
        effect = overlaid(config, store.overrides.all()).config
        found = standings(effect, store, time.time())
    found = narrowed(found, account=account, key_id=key_id, model=model)[:limit]
    if not as_json:
        show(found)
        return
    for one in found:
        json_line(one)


def _print(by: Sequence[str], totals: Sequence[Usage], whole: Sequence[Usage]) -> None:
    if not whole:
        click.echo("no requests")
        return
    names = {stored: name for name, stored in _DIMENSIONS.items()}
    head = [*(names[name] for name in by), *_NUMBERS, "cost"]
    rows = [[*(_label(total, name) for name in by), *_numbers(total)] for total in totals]
    rows += [["all", *[""] * (len(by) - 1), *_numbers(total)] for total in whole]
    table(head, rows, numbers=len(head) - len(by))
    if unpriced := whole[0].unpriced:
        click.echo(f"No price is known for {unpriced:,} of them: their cost is missing.")


def _numbers(total: Usage) -> list[str]:
    counts = [f"{getattr(total, name):,}" for name in _NUMBERS.values()]
    return [*counts, f"${total.cost_usd:,.4f}"]


def _label(total: Usage, name: str) -> str:
    value = getattr(total, name)
    return printable(str(value), 60) if value else "-"
