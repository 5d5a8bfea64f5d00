"""`callgate show`: from a request id to the whole story."""

from __future__ import annotations

import shutil
import sys

import click

from callgate.cli.options import config_option, json_option, sought
from callgate.cli.output import json_line
from callgate.cli.records import reading
from callgate.cli.requestlookup import looked_up
from callgate.cli.story import tell
from callgate.config import Config
from callgate.core.record import Record
from callgate.store.records import Records
from callgate.support.around import neighbours
from callgate.support.explain import explain, explained

_WIDTH_ELSEWHERE = (100, 24)  # where standard output is no terminal


@click.command()
@click.argument("request_id", type=sought, metavar="ID")
@config_option
@json_option
def show(*, config: Config, request_id: str, as_json: bool) -> None:
    """Tell the whole story of the request ID.

    The id is in every response, as the header X-Request-Id and as request_id. Its first or last
    eight characters or more are enough, if no other request shares them. The caller's own id
    (X-Client-Request-Id), the provider's and that of a trace are looked for as well.
    """
    with reading(config) as records:
        print_story(config, records, looked_up(config, records, request_id), as_json=as_json)


def print_story(config: Config, records: Records, record: Record, *, as_json: bool) -> None:
    """Print the story of a record, with what was going on around it; or all of it as JSON."""
    support = config.settings.support
    tallies = records.tally(neighbours(record))
    story = explain(record, tallies, contact=support.contact, status_url=support.status_url)
    if as_json:
        json_line(explained(record, story))
        return
    width = shutil.get_terminal_size(_WIDTH_ELSEWHERE).columns
    blocks = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    for line in tell(story, record.time, width=width, blocks=blocks):
        click.echo(line)
