"""`callgate models add|set|reset|remove|show`: models changed while gateways run."""

from __future__ import annotations

import difflib
from collections.abc import Mapping

import click

from callgate.catalogue import load as load_catalogue
from callgate.cli.effect import in_effect, note_if_unloaded
from callgate.cli.options import REMOVED, Failure, config_option, json_option, label
from callgate.cli.output import json_line, note, printable
from callgate.cli.overriding import Change, Given, change, edited
from callgate.cli.settingoptions import (
    DEPLOYMENT,
    OF_MODELS,
    PROVIDER,
    UPSTREAM_MODEL,
    Said,
    edits,
    setting_options,
)
from callgate.cli.settingview import of_model, state_of, tell_all, tell_changes, told
from callgate.config import Config
from callgate.config.overlay import Overlaid
from callgate.core.override import Override

WAYS = (PROVIDER, UPSTREAM_MODEL, DEPLOYMENT)
Options = Said | tuple[Said, ...] | None


@click.command("add")
@click.argument("name", type=label, metavar="NAME")
@setting_options((*WAYS, *OF_MODELS), fresh=True)
@config_option
@json_option
def add(
    *,
    config: Config,
    name: str,
    as_json: bool,
    **given: Options,
) -> None:
    """Add a model of a configured provider; gateways follow within 2 s.

    One of --provider and --deployment is needed. The provider is taken to know it by the same NAME.
    """
    wanted = _edits(given)
    if not wanted.keys() & {"provider", "deployments"}:
        raise click.UsageError("say where it is served: --provider or --deployment")

    def edit(was: Overlaid, present: Override | None) -> Given:
        if present is not None or name in was.config.settings.models or name in was.config.models:
            raise Failure(
                f"model {printable(name)!r} already exists ({state_of(name, was.config)})",
                f"Change it: callgate models set {printable(name)} …",
            )
        return edited(None, wanted)

    _tell(name, config, change(config, "model", name, edit), "is added", as_json=as_json)


@click.command("set")
@click.argument("name", type=label, metavar="NAME")
@setting_options((*WAYS, *OF_MODELS))
@config_option
@json_option
def set_model(*, config: Config, name: str, as_json: bool, **given: Options) -> None:
    """Change a model and leave the rest as it is; running gateways follow within 2 s.

    `default` as a value removes that override: the configuration applies again.
    """
    wanted = _edits(given)
    if not wanted:
        raise click.UsageError("nothing to change: give at least one option")

    def edit(was: Overlaid, present: Override | None) -> Given:
        _demand(name, was.config, present)
        fresh = edited(present, wanted)
        table = config.settings.models.get(name)
        if "upstream_model" in fresh and not (fresh.get("provider") or (table and table.provider)):
            raise click.UsageError(
                f"--upstream-model: model {name!r} has no single provider; name it with --provider"
            )
        return fresh

    _tell(name, config, change(config, "model", name, edit), "is changed", as_json=as_json)


@click.command("reset")
@click.argument("name", type=label, metavar="NAME")
@config_option
@json_option
def reset(*, config: Config, name: str, as_json: bool) -> None:
    """Remove all overrides of a model: the configuration applies again."""

    def edit(was: Overlaid, present: Override | None) -> None:
        _demand(name, was.config, present)

    _tell(name, config, change(config, "model", name, edit), "is reset", as_json=as_json)


@click.command("remove")
@click.argument("name", type=label, metavar="NAME")
@config_option
@json_option
def remove(*, config: Config, name: str, as_json: bool) -> None:
    """Remove a model that was added. One of the configuration can be left unoffered."""

    def edit(was: Overlaid, present: Override | None) -> None:
        _demand(name, was.config, present)
        if present is None or name in config.settings.models or name in config.models:
            raise Failure(
                f"model {printable(name)!r} was not added here: it is in the configuration file",
                f"To stop offering it: callgate models set {printable(name)} --offered no",
            )

    _tell(name, config, change(config, "model", name, edit), "is removed", as_json=as_json)


@click.command("show")
@click.argument("name", type=label, metavar="NAME")
@config_option
@json_option
def show(*, config: Config, name: str, as_json: bool) -> None:
    """Show a model's settings in effect, and where each value comes from."""
    effect = in_effect(config)
    values = of_model(name, config, effect)
    passed = [one for one in effect.passed if (one.kind, one.name) == ("model", name)]
    if not values and not passed:
        _demand(name, effect.config, None)
    for one in passed:
        note(printable(str(one)))
    note_if_unloaded(config)
    state = state_of(name, effect.config) if values or not passed else "not in effect"
    if as_json:
        json_line({"model": name, "state": state, **told(values, values)})
        return
    click.echo(f"{printable(name)}: {state}")
    if values:
        tell_all(values)


def _edits(given: Mapping[str, Options]) -> Given:
    """What to set. Deployments or a provider given here replace all the present ones."""
    wanted = edits(given)
    if "deployments" in wanted and not wanted.keys().isdisjoint(("provider", "upstream_model")):
        raise click.UsageError(
            "--deployment cannot be combined with --provider or --upstream-model"
        )
    if not wanted.keys().isdisjoint(("deployments", "provider")):
        return {**dict.fromkeys((one.field for one in WAYS), REMOVED), **wanted}
    return wanted


def _demand(name: str, config: Config, present: Override | None) -> None:
    """Raises Failure where nobody knows the model."""
    known = {*config.settings.models, *config.models}
    if present is not None or name in known or config.directory.absent(name) is not None:
        return
    catalogue = load_catalogue() if config.settings.catalogue else {}
    if name in catalogue:
        return
    near = difflib.get_close_matches(name, {*known, *catalogue}, n=3)
    fix = f"Did you mean {' or '.join(near)}?" if near else ""
    raise Failure(
        f"there is no model {printable(name)!r}",
        fix or f"Add it: callgate models add {printable(name)} --provider NAME",
    )


def _tell(name: str, config: Config, done: Change, what: str, *, as_json: bool) -> None:
    before = of_model(name, config, done.was)
    after = of_model(name, config, done.now)
    state = state_of(name, done.now.config) if after else "gone"
    note_if_unloaded(config)
    if as_json:
        json_line({"model": name, "state": state, **told(before, after)})
        return
    if not done.done:
        click.echo(f"Model {printable(name)} was already set that way.")
    else:
        click.echo(f"Model {printable(name)} {what}; running gateways follow within 2 s.")
        tell_changes(before, after)
    if after:
        click.echo(f"In effect now ({state}):")
        tell_all(after)
