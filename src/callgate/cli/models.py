"""`callgate models`: what can be called here, and what could be."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import click

from callgate.catalogue import load as load_catalogue
from callgate.cli.options import config_option, json_option, limit_option, now_ms
from callgate.cli.output import json_line, printable, table
from callgate.config import Config


@click.command()
@click.option("--all", "everything", is_flag=True, help="Also the catalogue's models not served.")
@config_option
@json_option
@limit_option(None, "models")
def models(*, config: Config, everything: bool, limit: int | None, as_json: bool) -> None:
    """List the models that can be called. LIMIT is requests per 60 seconds and account."""
    rows = list(_served(config))
    if everything:
        rows += _others(config)
    rows = rows[:limit]
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
    if everything:
        head.append("SERVED")
    table(head, (_cells(row)[: len(head)] for row in rows))


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
    for name, entry in sorted(load_catalogue().items()):
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
            "why_not": _why_not(config, list(entry.regions), retired=entry.retired(today)),
        }


def _why_not(config: Config, regions: list[str], *, retired: bool) -> str:
    if retired:
        return "retired"
    if config.region not in regions:
        return f"not in region {config.region}"
    return "needs one of its providers"


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    length = row["context_length"]
    served = click.style("yes", fg="green") if row["served"] else f"no: {row['why_not']}"
    return (
        printable(row["model"]),
        printable(row["creator"]) or "-",
        f"{length:,}" if length else "-",
        str(row["rate_limit"] or "-"),
        ", ".join(row["regions"]) or "-",
        ", ".join(dict.fromkeys(row["providers"])) or "-",
        served,
    )
