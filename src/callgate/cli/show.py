"""`callgate show`: from a request id to the whole story."""

from __future__ import annotations

import re
import shutil
import sys

import click

from callgate.cli.options import Failure, config_option, json_option, now_ms
from callgate.cli.output import json_line, moment, printable
from callgate.cli.records import reading
from callgate.cli.story import tell
from callgate.config import Config
from callgate.core.ids import is_request_id, unix_ms
from callgate.core.record import Record
from callgate.core.redact import redact
from callgate.store.base import Query
from callgate.store.records import Records
from callgate.support.around import neighbours
from callgate.support.explain import explain, explained

_DAY = 86_400_000
_CLOCKS = 10_000  # by how much the time in an id may differ from the record's, in ms
_SCANNED = 20_000
_PREFIX = re.compile(r"[0-9a-f]{8,31}")
_SHORT = re.compile(r"[0-9a-f]{1,7}")
_USER_INFO = re.compile(r"//[^/@]*@")
_WIDTH_ELSEWHERE = (100, 24)  # where standard output is no terminal


@click.command()
@click.argument("request_id", metavar="ID")
@config_option
@json_option
def show(*, config: Config, request_id: str, as_json: bool) -> None:
    """Tell the whole story of the request ID.

    The id is in every response, as the header X-Request-Id and as request_id. Its first eight or
    more characters are enough, if no other request shares them.
    """
    with reading(config) as records:
        print_story(config, records, looked_up(config, records, request_id), as_json=as_json)


def looked_up(config: Config, records: Records, request_id: str) -> Record:
    """The record of an id or of its beginning. Raises Failure that says why there is none."""
    wanted = _canonical(request_id)
    record = _look_up(records, wanted)
    if record is None:
        raise _unknown(config, wanted)
    return record


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


def _canonical(text: str) -> str:
    """An id as it was pasted, in the form that records carry."""
    text = text.strip(" \t\r\n\"',").lower()
    digits = text.replace("-", "")
    if len(digits) != 32:
        return text
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def _look_up(records: Records, wanted: str) -> Record | None:
    if is_request_id(wanted):
        return records.get(wanted)
    digits = wanted.replace("-", "")
    return _by_prefix(records, digits) if _PREFIX.fullmatch(digits) else None


def _by_prefix(records: Records, digits: str) -> Record | None:
    """The one request whose id begins so. Raises Failure where there are several.

    An id begins with its time, so only the records of a moment are looked through.
    """
    first, last = (int(digits[:12].ljust(12, fill), 16) for fill in "0f")
    query = Query(since=first - _CLOCKS, until=last + _CLOCKS, limit=_SCANNED)
    near = records.find(query)
    found = [one for one in near if one.request_id.replace("-", "").startswith(digits)]
    if not found and len(near) == _SCANNED:
        raise Failure("too many requests were made at the time of this id", "Give the whole id.")
    if len(found) > 1:
        some = ", ".join(record.request_id for record in found[:3])
        raise Failure(
            f"{len(found)} requests have an id that begins so, such as {some}",
            "Give more of the id.",
        )
    return found[0] if found else None


def _unknown(config: Config, wanted: str) -> Failure:
    """Why there is no such record, as near as the id itself tells."""
    if is_request_id(wanted):
        return _dated(config, wanted)
    if _PREFIX.fullmatch(wanted.replace("-", "")):
        return Failure(
            f"no request on record has an id that begins with {wanted}",
            "See 'callgate logs' for the newest.",
        )
    if _SHORT.fullmatch(wanted.replace("-", "")):
        return Failure(
            f"{wanted} is too short to tell requests apart",
            "Give eight characters of the id, or more.",
        )
    return Failure(
        f"{printable(redact(wanted), 80)!r} is not a request id of this gateway",
        "An id looks like 01997c3e-7d3a-7c12-9a41-5c1f0c6f2b7e; every response carries it as "
        "X-Request-Id and request_id.",
    )


def _dated(config: Config, wanted: str) -> Failure:
    made, now = unix_ms(wanted), now_ms()
    days = config.settings.store.retention_days
    if made < now - days * _DAY:
        return Failure(
            f"request {wanted} was made at {moment(made)}; records are kept for {days} days",
            "Keep records for longer with store.retention_days.",
        )
    if made > now + _CLOCKS:
        return Failure(
            f"request {wanted} has a future time, {moment(made)}: this gateway did not make it",
            "Check the id, and the clock of the machine that made it.",
        )
    return Failure(
        f"no record of request {wanted}, made at {moment(made)}, in {_place(config)}",
        "Check that --config is the one of the gateway that answered: of its region, its store. "
        "There is no record yet while the answer goes on or a full disk keeps records in memory "
        "(/ready says so), and there never will be if the worker was killed before the answer had "
        "ended: the gateway's log says when one ended.",
    )


def _place(config: Config) -> str:
    store = _USER_INFO.sub("//", config.store_url)
    return f"{store} or {config.journal_dir}"
