"""`callgate logs`: requests as lines, newest last, and on request as they come."""

from __future__ import annotations

import difflib
import time
from collections.abc import Iterable

import click
import msgspec

from callgate.cli.following import Follower
from callgate.cli.keylookup import id_of_key
from callgate.cli.options import (
    config_option,
    in_order,
    json_option,
    limit_option,
    now_ms,
    sought,
    time_options,
)
from callgate.cli.output import json_line, moment, note, printable, status_style
from callgate.cli.records import following, reading
from callgate.config import Config
from callgate.core.record import Record
from callgate.errors import TAXONOMY
from callgate.store.base import Query, status_of
from callgate.support.timeline import duration as spelt

_NONE = (
    "no request on record matches. Leave out a filter, or use --config to name the file of the "
    "gateway that answered."
)
_POLL_SECONDS = 0.5
_ANY = "any"


def status_class(text: str) -> int:
    """A status such as 404, or a class such as 4xx as its first digit."""
    try:
        return status_of(text)
    except ValueError:
        raise click.BadParameter(f"{text!r} is not a status; write 404 or 4xx") from None


def error_type(text: str) -> str:
    """A type of error as the taxonomy has it, or `any`."""
    if text != _ANY and text not in TAXONOMY:
        near = difflib.get_close_matches(text, TAXONOMY, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else "; docs/troubleshooting.md has them all"
        raise click.BadParameter(f"{text!r} is not a type of error{hint}")
    return text


@click.command()
@click.option("--follow", "-f", is_flag=True, help="Keep printing new requests until interrupted.")
@click.option("--model", type=sought, metavar="NAME", help="Only requests for this model.")
@click.option("--status", type=status_class, metavar="CODE", help="Only this status: 404, 4xx, …")
@click.option("--account", type=sought, metavar="NAME", help="Only this account's requests.")
@click.option(
    "--key",
    "key_id",
    type=sought,
    metavar="ID",
    help="Only requests made with this key, by its id or itself.",
)
@click.option(
    "--error",
    is_flag=False,
    flag_value=_ANY,
    type=error_type,
    metavar="[TYPE]",
    help="Only failures, or only those of a type such as rate_limited.",
)
@time_options("requests")
@config_option
@json_option
@limit_option(20, "requests, the newest")
def logs(
    *,
    config: Config,
    follow: bool,
    model: str | None,
    status: int | None,
    account: str | None,
    key_id: str | None,
    error: str | None,
    since: int | None,
    until: int | None,
    limit: int,
    as_json: bool,
) -> None:
    """List requests, newest last, one per line: time, id, status, duration, model, tokens, account.

    If something went wrong, the line ends with the error's type and message.
    """
    in_order(since, until)
    if follow and until is not None:
        raise click.UsageError("--follow waits for new requests; leave out --until")
    query = Query(
        account=account,
        key_id=id_of_key(config, key_id),
        model=model,
        status=status,
        error=None if error == _ANY else error,
        failed=error == _ANY,
        since=since,
        until=until,
        limit=limit,
    )
    if not follow:
        with reading(config) as records:
            found = records.find(msgspec.structs.replace(query, limit=limit + 1))
            _print(reversed(found[:limit]), as_json=as_json)
            if not found:
                note(_NONE)
            if len(found) > limit:
                note(f"these are the newest {limit:,}, not all: see --limit, --since, --until")
        return
    with following(config) as live:
        follower = Follower(live, query)
        _print(follower.begin(now_ms()), as_json=as_json)
        while True:
            time.sleep(_POLL_SECONDS)
            _print(follower.poll(now_ms()), as_json=as_json)


def _print(records: Iterable[Record], *, as_json: bool) -> None:
    for record in records:
        if as_json:
            json_line(record)
        else:
            click.echo(line(record))


def line(record: Record) -> str:
    """A record as one line."""
    usage = record.usage
    tokens = f"{usage.input_tokens}+{usage.output_tokens}" if usage else "-"
    model = record.model or "-"
    if record.model_served and record.model_served != record.model:
        model += f" > {record.model_served}"
    columns = (
        moment(record.time),
        record.request_id,
        status_style(record.status),
        f"{spelt(record.total_us):>8}",
        f"{printable(model, 60):<24}",
        f"{tokens:>9}",
        printable(record.account or "-", 40),
    )
    text = "  ".join(columns)
    if record.error:
        why = click.style(record.error, fg="red" if record.origin != "client" else "yellow")
        text += f"  {why}: {printable(record.message or '', 200)}"
    return text
