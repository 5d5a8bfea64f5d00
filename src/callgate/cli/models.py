"""`callgate models`: what can be called here, what could be, and what changes it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import click

from callgate.catalogue import CatalogueEntry
from callgate.catalogue import load as load_catalogue
from callgate.cli.effect import in_effect, note_if_unloaded
from callgate.cli.listgroup import ListGroup
from callgate.cli.modelset import add, remove, reset, set_model, show
from callgate.cli.options import config_option, json_option, limit_option, now_ms
from callgate.cli.output import json_line, note, printable, table
from callgate.cli.settingview import state_of
from callgate.config import Config
from callgate.config.overlay import Overlaid


@click.group(cls=ListGroup, commands=[add, set_model, show, reset, remove])
def models() -> None:
    """List the models that can be called, or change them while gateways run."""


@models.command("list")
@click.option("--all", "everything", is_flag=True, help="Also the models that are not served.")
@config_option
@json_option
@limit_option(None, "models")
def list_models(*, config: Config, everything: bool, limit: int | None, as_json: bool) -> None:
    """List the models that can be called.

    LIMIT is requests per 60 seconds and account, SET what was set while gateways run, in place of
    the configuration.
    """
    note_if_unloaded(config)
    _list(in_effect(config), everything=everything, limit=limit, as_json=as_json)


def _list(effect: Overlaid, *, everything: bool, limit: int | None, as_json: bool) -> None:
    config, given = effect.config, effect.of("model")
    rows = list(_served(config))
    if everything:
        rows += _others(config)
    rows = [{**row, "set": list(given.get(row["model"], {}))} for row in rows[:limit]]
    for one in effect.passed:
        if one.kind == "model":
            note(printable(str(one)))
    if as_json:
        for row in rows:
            json_line(row)
        return
    if not any(row["served"] for row in rows):
        click.echo(
            "callgate: note: no model is configured; set a provider's key, such as OPENAI_API_KEY, "
            "or install the extra 'local'",
            err=True,
        )
    if not rows:
        return
    head = ["MODEL", "CREATOR", "CONTEXT", "LIMIT", "REGIONS", "PROVIDERS"]
    if any(row["set"] for row in rows):
        head.append("SET")
    if everything:
        head.append("SERVED")
    table(head, ([cells[column] for column in head] for cells in map(_cells, rows)))


def _served(config: Config) -> Iterator[dict[str, Any]]:
    for name, model in sorted(config.directory.served.items()):
        yield {
            "model": name,
            "creator": model.creator,
            "context_length": model.context_length,
            "max_output_tokens": model.max_output_tokens,
            "rate_limit": model.rate_limit,
            "regions": model.regions,
            "providers": [deployment.provider for deployment in model.deployments],
            "served": True,
            "retirement_date": model.retirement_date,
        }


def _others(config: Config) -> Iterator[dict[str, Any]]:
    today = datetime.fromtimestamp(now_ms() / 1000, UTC).date()
    known = {**dict.fromkeys(config.settings.models, CatalogueEntry()), **load_catalogue()}
    for name, entry in sorted(known.items()):
        if name in config.directory.served:
            continue
        yield {
            "model": name,
            "creator": entry.creator,
            "context_length": entry.context_length,
            "max_output_tokens": entry.max_output_tokens,
            "rate_limit": None,
            "regions": list(entry.regions),
            "providers": list(entry.upstream),
            "served": False,
            "retirement_date": entry.retirement_date,
            "why_not": _why_not(config, name, list(entry.regions), retired=entry.retired(today)),
        }


def _why_not(config: Config, name: str, regions: list[str], *, retired: bool) -> str:
    if name in config.settings.models:
        return state_of(name, config)
    if retired:
        return "retired"
    if config.region not in regions:
        return f"not in region {config.region}"
    return "needs one of its providers"


def _cells(row: dict[str, Any]) -> dict[str, str]:
    length = row["context_length"]
    served = click.style("yes", fg="green") if row["served"] else f"no: {row['why_not']}"
    return {
        "MODEL": printable(row["model"]),
        "CREATOR": printable(row["creator"]) or "-",
        "CONTEXT": f"{length:,}" if length else "-",
        "LIMIT": str(row["rate_limit"] or "-"),
        "REGIONS": ", ".join(row["regions"]) or "-",
        "PROVIDERS": ", ".join(dict.fromkeys(row["providers"])) or "-",
        "SET": ", ".join(row["set"]) or "-",
        "SERVED": served,
    }
