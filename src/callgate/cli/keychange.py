"""`callgate keys change`: what a key may do, altered while it is in use."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import click

from callgate.cli.keyedits import Edits, edited
from callgate.cli.keylimits import overrides, warn_of_unknown
from callgate.cli.keylookup import find_key
from callgate.cli.keyview import public, spoken, state
from callgate.cli.opening import opened
from callgate.cli.options import (
    REMOVED,
    Removed,
    config_option,
    dollars,
    duration,
    json_option,
    label,
    limit_or_default,
    model_or_limit,
    now_ms,
    or_removed,
)
from callgate.cli.output import day, json_line, note, printable
from callgate.config import Config
from callgate.core.captured import KeyMode
from callgate.store.base import CHANGEABLE, Key

Pairs = Sequence[tuple[str, int | None]]
Limits = Sequence[tuple[str, int | Removed | None]]


@click.command("change")
@click.argument("key_id", metavar="ID")
@click.option("--name", type=label, metavar="NAME", help="What the key is for.")
@click.option(
    "--expires",
    type=or_removed(duration),
    metavar="SPAN|none",
    help="Refused after 30s, 12h, 90d, … from now.",
)
@click.option(
    "--model",
    "only",
    type=model_or_limit,
    multiple=True,
    metavar="MODEL[=N]",
    help="Allow only the named models; N also sets a limit. Repeatable.",
)
@click.option("--any-model", is_flag=True, help="Allow every model.")
@click.option(
    "--add-model",
    "add",
    type=model_or_limit,
    multiple=True,
    metavar="MODEL[=N]",
    help="Allow this model as well; N also sets a limit. Repeatable.",
)
@click.option(
    "--remove-model",
    "drop",
    multiple=True,
    metavar="MODEL",
    help="No longer allow this model. Repeatable.",
)
@click.option(
    "--rate-limit",
    "limits",
    type=limit_or_default,
    multiple=True,
    metavar="MODEL=N|default",
    help="Limit a model to N requests per 60 seconds; default: the model's own. Repeatable.",
)
@click.option(
    "--token-limit",
    "token_limits",
    type=limit_or_default,
    multiple=True,
    metavar="MODEL=N|default",
    help="Limit a model to N tokens per 60 seconds; default: the model's own. Repeatable.",
)
@click.option(
    "--tokens-per-minute",
    type=or_removed(click.IntRange(1, 10**9)),
    metavar="N|none",
    help="Limit the key to N tokens per 60 seconds, over all models.",
)
@click.option(
    "--budget-day",
    type=or_removed(dollars),
    metavar="USD|none",
    help="What it may spend per day (UTC).",
)
@click.option(
    "--budget-month",
    type=or_removed(dollars),
    metavar="USD|none",
    help="The same per month (UTC).",
)
@click.option(
    "--capture",
    type=click.Choice(["none", "errors", "all", "never", "default"]),
    help="Keep payloads of its requests; default: as the configuration says.",
)
@config_option
@json_option
def change(
    *,
    config: Config,
    key_id: str,
    name: str | None,
    expires: int | Removed | None,
    only: Pairs,
    any_model: bool,
    add: Pairs,
    drop: Sequence[str],
    limits: Limits,
    token_limits: Limits,
    tokens_per_minute: int | Removed | None,
    budget_day: float | Removed | None,
    budget_month: float | Removed | None,
    capture: KeyMode | Literal["default"] | None,
    as_json: bool,
) -> None:
    """Change what a key may do, and leave the rest as it is. ID is as listed."""
    ways = [bool(only), any_model, bool(add or drop)]
    if sum(ways) > 1:
        raise click.UsageError(
            "use only one of: --model; --any-model; --add-model and --remove-model"
        )
    now = now_ms()
    edits = Edits(
        name=name,
        expires=expires if expires is None or expires is REMOVED else now + expires,
        only=REMOVED if any_model else [model for model, _ in only] or None,
        add=[model for model, _ in add],
        drop=drop,
        limits=overrides([*only, *add, *limits]),
        token_limits=overrides(token_limits),
        tokens_per_minute=tokens_per_minute,
        budget_day=budget_day,
        budget_month=budget_month,
        capture=REMOVED if capture == "default" else capture,
    )
    if not any(getattr(edits, field) for field in Edits.__struct_fields__):
        raise click.UsageError("nothing to change: give at least one option")
    given = (*edits.limits.items(), *edits.token_limits.items())
    limited = (model for model, limit in given if limit is not REMOVED)
    warn_of_unknown(config, [*(model for model, _ in (*only, *add)), *limited])
    with opened(config) as store:
        before = find_key(store.keys, key_id)
        after = store.keys.change(before.id, lambda key: edited(key, edits, now))
    _tell(before, after or before, now, as_json=as_json)


def _tell(before: Key, after: Key, now: int, *, as_json: bool) -> None:
    said, says = dict(spoken(before)), dict(spoken(after))
    differing = [what for what in {**said, **says} if said.get(what) != says.get(what)]
    if as_json:
        changed = [name for name in CHANGEABLE if getattr(before, name) != getattr(after, name)]
        json_line({**public(after, now), "changed": changed})
        return
    whose = f"{after.id} ({printable(after.name)}) of account {printable(after.account)}"
    if not differing:
        click.echo(f"{whose} was already set that way.")
        return
    click.echo(f"{whose} is changed:")
    for what in differing:
        click.echo(f"  {printable(what, 100)}: {said.get(what, '-')} -> {says.get(what, '-')}")
    condition = state(after, now)
    if condition in ("ending", "expired"):
        note(f"it is {condition}: {day(after.ends())}")
