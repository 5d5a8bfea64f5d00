"""`callgate logs`: requests as lines, newest last, and on request as they come."""

from __future__ import annotations

import difflib
import time
from collections.abc import Iterable, Iterator
from functools import partial

import click
import msgspec

from callgate.cli.following import Follower
from callgate.cli.keylookup import id_of_key
from callgate.cli.options import (
    config_option,
    dollars,
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
from callgate.core import filters
from callgate.core.ids import unix_ms
from callgate.core.record import Record
from callgate.errors import TAXONOMY
from callgate.store.base import Page, Query
from callgate.store.records import Records
from callgate.support.timeline import duration as spelt

_NONE = (
    "no request on record matches. Leave out a filter, or use --config to name the file of the "
    "gateway that answered."
)
_POLL_SECONDS = 0.5
_SEARCH_SECONDS = 15.0
_FOLLOWED_MS = 15 * 60_000
_DAY_MS = 86_400_000
_ANY = "any"


def status_class(text: str) -> int:
    """A status such as 404, or a class such as 4xx as its first digit."""
    try:
        return filters.status(text)
    except ValueError:
        raise click.BadParameter(f"{text!r} is not a status; write 404 or 4xx") from None


def least_duration(text: str) -> int:
    """A span of time such as 10s, in microseconds."""
    try:
        return filters.duration(text.strip().lower())
    except ValueError as error:
        raise click.BadParameter(f"{text!r} {error}") from None


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
    help="Only requests made with this key, given by its id or as the key itself.",
)
@click.option(
    "--error",
    is_flag=False,
    flag_value=_ANY,
    type=error_type,
    metavar="[TYPE]",
    help="Only failures, or only those of a type such as rate_limited.",
)
@click.option(
    "--min-duration",
    "min_us",
    type=least_duration,
    metavar="SPAN",
    help="Only requests that took at least this long: 500ms, 10s, 2m, …",
)
@click.option(
    "--min-cost",
    type=dollars,
    metavar="USD",
    help="Only requests that cost at least this much, such as 0.50; shows each one's cost.",
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
    min_us: int | None,
    min_cost: float | None,
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
        min_us=min_us,
        min_cost=min_cost,
        since=since,
        until=until,
        limit=limit,
    )
    show = partial(_print, as_json=as_json, cost=min_cost is not None)
    if not follow:
        with reading(config) as records:
            page = _newest(records, query, config.settings.store.retention_days)
            show(reversed(page.records))
            for told in _notes(page, query):
                note(told)
        return
    if query.searches() and since is None:
        query = msgspec.structs.replace(query, since=now_ms() - _FOLLOWED_MS)
    with following(config) as live:
        follower = Follower(live, query)
        show(follower.begin(now_ms()))
        while True:
            time.sleep(_POLL_SECONDS)
            show(follower.poll(now_ms()))


def _newest(records: Records, query: Query, days: int) -> Page:
    """The newest that match; as many as time allows where records themselves are read for it."""
    if query.searches():
        return records.page(query, now_ms() - days * _DAY_MS, _SEARCH_SECONDS)
    found = records.find(msgspec.structs.replace(query, limit=query.limit + 1))
    more = len(found) > query.limit
    return Page(found[: query.limit], found[query.limit - 1].request_id if more else None)


def _notes(page: Page, query: Query) -> Iterator[str]:
    """What else there is to say of a list."""
    if page.cursor is None:
        if not page.records:
            yield _NONE
    elif len(page.records) == query.limit:
        yield f"these are the newest {query.limit:,}, not all: see --limit, --since, --until"
    else:
        read = moment(unix_ms(page.cursor)).replace(" ", "T")
        yield f"there was time to read back to {read}; for older ones, add --until {read}"


def _print(records: Iterable[Record], *, as_json: bool, cost: bool) -> None:
    for record in records:
        if as_json:
            json_line(record)
        else:
            click.echo(line(record, cost=cost))


def line(record: Record, *, cost: bool = False) -> str:
    """A record as one line, with its `cost` if that is wanted."""
    usage = record.usage
    tokens = f"{usage.input_tokens}+{usage.output_tokens}" if usage else "-"
    model = record.model or "-"
    if record.model_served and record.model_served != record.model:
        model += f" > {record.model_served}"
    costs = (f"${record.cost_usd or 0:,.6f}",) if cost else ()
    columns = (
        moment(record.time),
        record.request_id,
        status_style(record.status),
        f"{spelt(record.total_us):>8}",
        f"{printable(model, 60):<24}",
        f"{tokens:>9}",
        *costs,
        printable(record.account or "-", 40),
    )
    text = "  ".join(columns)
    if record.error:
        why = click.style(record.error, fg="red" if record.origin != "client" else "yellow")
        text += f"  {why}: {printable(record.message or '', 200)}"
    return text
