"""Which request somebody means: from what they have of an id, whosever it is, to the record."""

from __future__ import annotations

import re
from collections.abc import Collection

import msgspec

from callgate.cli.options import Failure, now_ms
from callgate.cli.output import moment, printable
from callgate.config import Config
from callgate.core.ids import is_request_id, unix_ms
from callgate.core.record import Record
from callgate.core.redact import redact
from callgate.store.base import Page, Query
from callgate.store.records import Records

_DAY = 86_400_000
_CLOCKS = 10_000  # by how much the time in an id may differ from the record's, in ms
_SCANNED = 20_000
_PATIENCE = 15.0  # seconds of reading for an id that is not the gateway's
_PATIENCE_FOR_OWN = 3.0  # for one that most likely is
_MISTYPED = 4
_TOLD = 5
_IN_TIME = 12  # digits of an id that are its time
_AROUND = " \t\r\n\"'`\u201c\u201d\u2018\u2019,;:.\u2026()[]<>"
_LIKE_DIGITS = str.maketrans("oil", "011")
"""Letters that no id has, and the digits that they are read for."""
_WHOLE = re.compile(
    r"[0-9a-foil]{8}(-?)[0-9a-foil]{4}\1[0-9a-foil]{4}\1[0-9a-foil]{4}\1[0-9a-foil]{12}"
)
_PART = re.compile(r"[0-9a-f]{8,31}")
_SHORT = re.compile(r"[0-9a-f]{1,7}")
_USER_INFO = re.compile(r"//[^/@]*@")


def looked_up(config: Config, records: Records, text: str) -> Record:
    """The record of the request that is meant. Raises Failure that says why there is none.

    `text` is its id as somebody has passed it on: whole, its beginning or its end, with words
    around it, in capitals, with letters for digits; or the id of the caller, of the provider or of
    the trace.
    """
    text = text.strip(_AROUND)
    wanted = _canonical(text)
    if is_request_id(wanted):
        return records.get(wanted) or _another(config, records, text, wanted)
    digits = wanted.replace("-", "")
    found = _beginning(records, digits) if _PART.fullmatch(digits) else []
    if not found and text:
        found = _elsewhere(config, records, text, wanted)
    if not found:
        raise _unknown(wanted)
    return _only(found)


def _only(found: list[Record]) -> Record:
    if len(found) > 1:
        some = ", ".join(record.request_id for record in found[:3])
        raise Failure(
            f"{len(found)} requests match this id, such as {some}",
            "Give one of these ids, or more characters of it.",
        )
    return found[0]


def _canonical(text: str) -> str:
    """An id, or a part of one, as it was pasted, in the form that records carry."""
    text = text.lower()
    if whole := _WHOLE.search(text):
        digits = whole[0].replace("-", "").translate(_LIKE_DIGITS)
        return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))
    part = text.translate(_LIKE_DIGITS)
    return part if _PART.fullmatch(part.replace("-", "")) else text


def _beginning(records: Records, digits: str) -> list[Record]:
    """The requests whose id begins with these digits."""
    near = _of_the_time(records, digits)
    found = [one for one in near if one.request_id.replace("-", "").startswith(digits)]
    if not found and len(near) == _SCANNED:
        raise Failure("too many requests have an id that begins so", "Give the whole id.")
    return found


def _of_the_time(records: Records, digits: str) -> list[Record]:
    """The requests made at the time that these first digits of an id stand for."""
    first, last = (int(digits[:_IN_TIME].ljust(_IN_TIME, fill), 16) for fill in "0f")
    return records.find(Query(since=first - _CLOCKS, until=last + _CLOCKS, limit=_SCANNED))


def _elsewhere(config: Config, records: Records, text: str, wanted: str) -> list[Record]:
    """The newest requests that someone else gave this id, or whose own id ends with it."""
    if not _PART.fullmatch(wanted.replace("-", "")):
        page = _borne(config, records, text, {text}, _PATIENCE)
    else:
        page = _borne(config, records, wanted, {wanted}, _PATIENCE)
        if not page.records and text != wanted:  # others' ids may have capitals
            page = _borne(config, records, text, {text}, _PATIENCE)
    if not page.records and page.cursor is not None:
        since = moment(unix_ms(page.cursor))
        raise Failure(
            f"no request since {since} has the id {printable(redact(text), 80)!r}; there was no "
            "time to read further back",
            "Narrow it down with 'callgate logs', by time, account and model.",
        )
    return page.records


def _borne(
    config: Config, records: Records, tail: str, whole: Collection[str], patience: float
) -> Page:
    """The requests that carry one of the ids `whole`, which all end with `tail`.

    If `tail` may be part of a gateway's id, also those whose own id ends with it.
    """
    own = _PART.fullmatch(tail.replace("-", "")) is not None

    def bears(record: Record) -> bool:
        ids = [record.client_request_id, record.trace.id if record.trace else None]
        ids += [attempt.provider_request_id for attempt in record.attempts]
        return any(id_ in whole for id_ in ids) or (own and record.request_id.endswith(tail))

    # Only the quotation mark behind it is sure to be there, where it may be the end of an id.
    query = Query(holding=msgspec.json.encode(tail)[1:], limit=_TOLD)
    oldest = now_ms() - config.settings.store.retention_days * _DAY
    return records.page(query, oldest, patience, bears)


def _another(config: Config, records: Records, text: str, wanted: str) -> Record:
    """The request that someone else gave an id which looks like the gateway's.

    One in 64 trace ids does. Raises Failure if there is none: the id may be another gateway's, or
    mistyped, either in its time or after it, but hardly in both.
    """
    near = _of_the_time(records, wanted.replace("-", ""))
    like = [one for one in near if _alike(one.request_id, wanted)]
    if not like:
        whole = {text, wanted, wanted.replace("-", "")}
        like = _borne(config, records, wanted[-_IN_TIME:], whole, _PATIENCE_FOR_OWN).records
        tail = wanted[-_IN_TIME:]
        if theirs := [one for one in like if not one.request_id.endswith(tail)]:
            return _only(theirs)
    if len(like) == 1:
        raise Failure(f"no record of request {wanted}", f"Did you mean {like[0].request_id}?")
    raise _dated(config, wanted)


def _alike(one: str, other: str) -> bool:
    """Whether one id may be the other with a few digits mistyped; by chance two never are."""
    return sum(a != b for a, b in zip(one, other, strict=True)) <= _MISTYPED


def _unknown(wanted: str) -> Failure:
    """Why a text that is not a whole id leads to no request."""
    if _PART.fullmatch(wanted.replace("-", "")):
        return Failure(
            f"no request on record has an id that begins or ends with {wanted}",
            "See 'callgate logs' for the newest.",
        )
    if _SHORT.fullmatch(wanted.replace("-", "")):
        return Failure(
            f"{wanted} is too short to tell requests apart",
            "Give at least eight characters of the id.",
        )
    return Failure(
        f"{printable(redact(wanted), 80)!r} is not the id of a request: neither this gateway's "
        "nor a caller's, a provider's or a trace's",
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
            f"request {wanted} is dated {moment(made)}, in the future: not made by this gateway",
            "Check the id, and the clock of the machine that made it.",
        )
    return Failure(
        f"no record of request {wanted}, made at {moment(made)}, in {_place(config)}",
        "Check that --config belongs to the gateway that answered, with its region and store. "
        "There is no record yet while the answer is under way or a full disk keeps records in "
        "memory (/ready says so), and there never will be if the worker was killed before the "
        "answer had ended: the gateway's log says when a worker ended.",
    )


def _place(config: Config) -> str:
    store = _USER_INFO.sub("//", config.store_url)
    return f"{store} or {config.journal_dir}"
