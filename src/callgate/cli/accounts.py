"""`callgate accounts`: what each account may use over all models, changed while gateways run."""

from __future__ import annotations

from collections.abc import Iterable

import click

from callgate.cli.effect import note_if_unloaded
from callgate.cli.listgroup import ListGroup
from callgate.cli.opening import opened
from callgate.cli.options import (
    Failure,
    config_option,
    json_option,
    label,
    limit_option,
)
from callgate.cli.output import json_line, note, printable, table
from callgate.cli.overriding import Change, Given, change, edited
from callgate.cli.settingoptions import OF_ACCOUNTS, Said, edits, setting_options
from callgate.cli.settingview import of_account, spoken, tell_all, tell_changes, told
from callgate.config import Config
from callgate.config.overlay import Overlaid, overlaid
from callgate.core.allowance import EVERYONE
from callgate.core.override import Override
from callgate.store.base import Key


@click.group(cls=ListGroup)
def accounts() -> None:
    """List accounts and change their limits. Running gateways follow within 2 s."""


@accounts.command("list")
@config_option
@json_option
@limit_option(None, "accounts")
def list_accounts(*, config: Config, limit: int | None, as_json: bool) -> None:
    """List the accounts that have keys or limits. `*` is whoever has no limits of its own."""
    with opened(config) as store:
        keys = store.keys.all()
        effect = overlaid(config, store.overrides.all())
    for one in effect.passed:
        if one.kind == "account":
            note(printable(str(one)))
    note_if_unloaded(config)
    names = sorted(_names(config, effect, keys))[:limit]
    found = {name: of_account(name, config, effect) for name in names}
    owned = {name: sum(key.account == name for key in keys) for name in names}
    if as_json:
        for name, values in found.items():
            settings = told(values, values)["settings"]
            json_line({"account": name, "keys": owned[name], "settings": settings})
        return
    if not found:
        note("there are no accounts; 'callgate keys create --account NAME …' makes one")
        return
    head = ("ACCOUNT", "KEYS", "TOKENS PER MINUTE", "BUDGET DAY", "BUDGET MONTH")
    rows = (
        (
            printable(name),
            str(owned[name]),
            *(
                spoken(one.value) + (f"  [{one.whence()}]" if one.value is not None else "")
                for one in values.values()
            ),
        )
        for name, values in found.items()
    )
    table(head, rows)


@accounts.command("set")
@click.argument("name", type=label, metavar="NAME")
@setting_options(OF_ACCOUNTS)
@config_option
@json_option
def set_account(*, config: Config, name: str, as_json: bool, **given: Said | None) -> None:
    """Change limits of an account, and leave the rest as it is. NAME may be `*`, for all others.

    `none` means no limit; `default` removes that override: the configuration applies again.
    """
    wanted = edits(given)
    if not wanted:
        raise click.UsageError("nothing to change: give at least one option")

    def edit(was: Overlaid, present: Override | None) -> Given:
        del was
        return edited(present, wanted)

    _tell(name, config, change(config, "account", name, edit), "is changed", as_json=as_json)


@accounts.command("reset")
@click.argument("name", type=label, metavar="NAME")
@config_option
@json_option
def reset(*, config: Config, name: str, as_json: bool) -> None:
    """Remove all overrides of an account: the configuration applies again."""

    def edit(was: Overlaid, present: Override | None) -> None:
        if present is None and name not in was.config.settings.accounts:
            raise Failure(
                f"account {printable(name)!r} has no limits of its own",
                "See 'callgate accounts list'.",
            )

    _tell(name, config, change(config, "account", name, edit), "is reset", as_json=as_json)


def _names(config: Config, effect: Overlaid, keys: Iterable[Key]) -> set[str]:
    return {*config.settings.accounts, *effect.of("account"), *(key.account for key in keys)}


def _tell(name: str, config: Config, done: Change, what: str, *, as_json: bool) -> None:
    before, after = (of_account(name, config, one) for one in (done.was, done.now))
    note_if_unloaded(config)
    if as_json:
        json_line({"account": name, **told(before, after)})
        return
    whom = (
        "Every account without limits of its own"
        if name == EVERYONE
        else f"Account {printable(name)}"
    )
    if not done.done:
        click.echo(f"{whom} was already set that way.")
    else:
        click.echo(f"{whom} {what}; running gateways follow within 2 s.")
        tell_changes(before, after)
    click.echo("In effect now:")
    tell_all(after)
