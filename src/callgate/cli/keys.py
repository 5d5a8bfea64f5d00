"""`callgate keys`: callers' keys, made, listed, changed, revoked and rotated."""

from __future__ import annotations

import os
from collections.abc import Sequence

import click
import msgspec

from callgate.cli.keychange import change
from callgate.cli.keylimits import overrides, warn_of_unknown
from callgate.cli.keylookup import find_key
from callgate.cli.keyview import public, row, state, tell_new
from callgate.cli.listgroup import ListGroup
from callgate.cli.opening import opened
from callgate.cli.options import (
    Failure,
    config_option,
    dollars,
    duration,
    json_option,
    label,
    lifetime,
    limit_option,
    model_limit,
    model_or_limit,
    now_ms,
    region_name,
)
from callgate.cli.output import json_line, note, printable, table
from callgate.config import Config
from callgate.core import keys as shape
from callgate.core.allowance import Allowance
from callgate.core.captured import KeyMode
from callgate.store.base import Key, Keys


@click.group(cls=ListGroup, commands=[change])
def keys() -> None:
    """Create, list, change, revoke and rotate keys. Running gateways follow within 2 s."""


@keys.command("create")
@click.option("--name", type=label, required=True, metavar="NAME", help="What the key is for.")
@click.option(
    "--account",
    type=label,
    default="default",
    show_default=True,
    metavar="NAME",
    help="Who owns the key; an account's keys share its limits.",
)
@click.option("--expires", type=lifetime, metavar="SPAN", help="Refused after 30s, 12h, 90d, …")
@click.option(
    "--model",
    "allowed",
    type=model_or_limit,
    multiple=True,
    metavar="MODEL[=N]",
    help="Allow only the named models; N also sets a limit. Repeatable.",
)
@click.option(
    "--rate-limit",
    "limits",
    type=model_limit,
    multiple=True,
    metavar="MODEL=N",
    help="Limit a model to N requests per 60 seconds. Repeatable.",
)
@click.option(
    "--token-limit",
    "token_limits",
    type=model_limit,
    multiple=True,
    metavar="MODEL=N",
    help="Limit a model to N tokens per 60 seconds. Repeatable.",
)
@click.option(
    "--tokens-per-minute",
    type=click.IntRange(1, 10**9),
    metavar="N",
    help="Limit the key to N tokens per 60 seconds, over all models.",
)
@click.option("--budget-day", type=dollars, metavar="USD", help="What it may spend per day (UTC).")
@click.option(
    "--budget-month", type=dollars, metavar="USD", help="What it may spend per month (UTC)."
)
@click.option(
    "--capture",
    type=click.Choice(["none", "errors", "all", "never"]),
    help="Capture payloads of this key's requests; never: even if asked for elsewhere.",
)
@click.option("--region", type=region_name, metavar="NAME", help="  [default: this gateway's]")
@config_option
@json_option
def create(
    *,
    config: Config,
    name: str,
    account: str,
    expires: int | None,
    allowed: Sequence[tuple[str, int | None]],
    limits: Sequence[tuple[str, int | None]],
    token_limits: Sequence[tuple[str, int | None]],
    tokens_per_minute: int | None,
    budget_day: float | None,
    budget_month: float | None,
    region: str | None,
    capture: KeyMode | None,
    as_json: bool,
) -> None:
    """Create a key and print it once; only its SHA-256 is stored."""
    own_limits = overrides([*allowed, *limits])
    models = tuple(dict.fromkeys(model for model, _ in allowed)) if allowed else None
    allowance = Allowance(
        tokens_per_minute=tokens_per_minute,
        budget_day=budget_day,
        budget_month=budget_month,
        token_limits=overrides(token_limits),
    )
    warn_of_unknown(config, [*(models or ()), *own_limits, *allowance.token_limits])
    region = region or config.region
    if region != config.region:
        note(f"this gateway serves region {config.region!r} and will refuse a key of {region!r}")
    now = now_ms()
    template = Key(
        id="",
        digest=b"",
        hint="",
        name=name,
        account=account,
        region=region,
        created=now,
        expires=None if expires is None else now + expires,
        models=models,
        limits=own_limits,
        capture=capture,
        allowance=None if allowance == Allowance() else allowance,
    )
    with opened(config) as store:
        text, key = add_key(store.keys, template)
    tell_new(text, key, as_json=as_json)


@keys.command("list")
@click.option("--account", metavar="NAME", help="Only this account's keys.")
@config_option
@json_option
@limit_option(None, "keys, the newest")
def list_keys(*, config: Config, account: str | None, limit: int | None, as_json: bool) -> None:
    """List all keys, dead ones too, oldest first; the keys themselves are not kept."""
    with opened(config) as store:
        found = [key for key in store.keys.all() if account in (None, key.account)]
    found = found[-limit:] if limit else found
    now = now_ms()
    if as_json:
        for key in found:
            json_line(public(key, now))
        return
    if not found:
        note("there are no keys; 'callgate keys create --name NAME' makes one")
        return
    head = ("ID", "NAME", "ACCOUNT", "KEY", "REGION", "CREATED", "ENDS", "STATE", "MODELS")
    table(head, (row(key, now) for key in found))


@keys.command("revoke")
@click.argument("key_id", metavar="ID")
@config_option
@json_option
def revoke(*, config: Config, key_id: str, as_json: bool) -> None:
    """Refuse a key from now on. ID is as listed; a leaked key itself will do."""
    now = now_ms()
    with opened(config) as store:
        key = find_key(store.keys, key_id)
        before = state(key, now)
        store.keys.revoke(key.id, -now)
        key = find_key(store.keys, key.id)
    if as_json:
        json_line(public(key, now))
    elif before in ("revoked", "expired"):
        click.echo(f"{key.id} ({printable(key.name)}) was {before} already.")
    else:
        click.echo(f"{key.id} ({printable(key.name)}) is revoked.")


@keys.command("rotate")
@click.argument("key_id", metavar="ID")
@click.option(
    "--overlap",
    type=duration,
    default="24h",
    show_default=True,
    metavar="SPAN",
    help="How long the old key still works.",
)
@config_option
@json_option
def rotate(*, config: Config, key_id: str, overlap: int, as_json: bool) -> None:
    """Replace a key with a new one that may do the same; the old one ends after the overlap.

    A key that had an expiry gives its successor the same span from now on.
    """
    now = now_ms()
    with opened(config) as store:
        old = find_key(store.keys, key_id)
        found = state(old, now)
        if found != "active":
            raise Failure(
                f"{old.id} cannot be rotated: it is {found}", "Make a new key: callgate keys create"
            )
        expires = None if old.expires is None else now + (old.expires - old.created)
        # The new key first: were it interrupted here, both would work, rather than none.
        text, key = add_key(store.keys, msgspec.structs.replace(old, created=now, expires=expires))
        store.keys.revoke(old.id, now + overlap if overlap else -now)
        old = find_key(store.keys, old.id)
    tell_new(text, key, as_json=as_json, replaces=old)


def add_key(store: Keys, template: Key) -> tuple[str, Key]:
    """Mint a key like the template; the key's text and what was stored."""
    text, key = minted(template)
    store.add(key)
    return text, key


def minted(template: Key) -> tuple[str, Key]:
    """A new key like the template: its text, and what is to be stored."""
    text = shape.mint(template.region, os.urandom(shape.ENTROPY_BYTES))
    key = msgspec.structs.replace(
        template,
        id=shape.key_id(os.urandom(shape.KEY_ID_ENTROPY_BYTES)),
        digest=shape.digest(text),
        hint=shape.hint(text),
        revoked=None,
    )
    return text, key
