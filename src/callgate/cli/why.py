"""`callgate why`: the story of the newest failure, or of one request."""

from __future__ import annotations

import click

from callgate.cli.options import (
    ConfigFailure,
    Failure,
    config_option,
    json_option,
    now_ms,
    sought,
)
from callgate.cli.output import printable
from callgate.cli.records import reading
from callgate.cli.requestlookup import looked_up
from callgate.cli.show import print_story
from callgate.config import Config
from callgate.core.record import Record
from callgate.store.base import Query

_DAY = 86_400_000
_PATIENCE = 60.0
_LOOKUPS = "/v1/requests"


@click.command()
@click.argument("request_id", type=sought, metavar="[ID]", required=False)
@click.option("--last-error", is_flag=True, help="The newest request that failed.")
@click.option("--model", type=sought, metavar="NAME", help="The newest that failed for this model.")
@click.option(
    "--account", type=sought, metavar="NAME", help="The newest that failed for this account."
)
@config_option
@json_option
def why(
    *,
    config: Config,
    request_id: str | None,
    last_error: bool,
    model: str | None,
    account: str | None,
    as_json: bool,
) -> None:
    """Tell why the request ID failed, or with --last-error the newest that did.

    The story is that of `callgate show`. Failed look-ups of records do not count.
    """
    narrowed = last_error or model is not None or account is not None
    if narrowed == (request_id is not None):
        raise ConfigFailure("say which request", "Give its ID, or --last-error.")
    with reading(config) as records:
        if request_id is not None:
            record = looked_up(config, records, request_id)
        else:
            query = Query(model=model, account=account, failed=True, limit=1)
            oldest = now_ms() - config.settings.store.retention_days * _DAY
            page = records.page(query, oldest, _PATIENCE, _is_no_lookup)
            if not page.records:
                told_of = [f"model {printable(model)!r}"] if model is not None else []
                told_of += [f"account {printable(account)!r}"] if account is not None else []
                of = f" of {' and '.join(told_of)}" if told_of else ""
                raise Failure(f"no failure{of} is on record", "See 'callgate logs' for what is.")
            (record,) = page.records
        print_story(config, records, record, as_json=as_json)


def _is_no_lookup(record: Record) -> bool:
    return not record.path.startswith(_LOOKUPS)
