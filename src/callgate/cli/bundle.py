"""`callgate bundle`: all that someone else needs to look into failed requests, in one file."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import distributions, version
from pathlib import Path
from typing import Any

import click
import msgspec

from callgate.capture import files
from callgate.cli import probes
from callgate.cli.build import compiled
from callgate.cli.effect import in_effect
from callgate.cli.logs import status_class
from callgate.cli.options import (
    Failure,
    config_option,
    in_order,
    json_option,
    now_ms,
    sought,
    time_options,
)
from callgate.cli.output import json_line, printable
from callgate.cli.records import reading
from callgate.cli.requestlookup import looked_up
from callgate.cli.story import tell
from callgate.cli.whereabouts import gateway_url, readiness
from callgate.config import Config
from callgate.config.secrets import secrets_of
from callgate.core.captured import Captured
from callgate.core.record import Record
from callgate.store.base import Query
from callgate.store.records import Records
from callgate.support.around import neighbours
from callgate.support.bundle import BundleError, Case, examine, files_of, pack
from callgate.support.explain import explain
from callgate.support.finding import counted
from callgate.support.leaks import Redactor

_MAX_BUNDLE = 512 << 20
_WIDTH = 100
_DEFAULT_LIMIT = 20


@click.command()
@click.argument("request_ids", type=sought, nargs=-1, metavar="ID…")
@time_options("failures")
@click.option("--status", type=status_class, metavar="CODE", help="Only this status: 504, 5xx, …")
@click.option("--model", type=sought, metavar="NAME", help="Only requests for this model.")
@click.option(
    "--limit",
    type=click.IntRange(1, 1000),
    default=_DEFAULT_LIMIT,
    show_default=True,
    metavar="N",
    help="At most this many requests, the newest.",
)
@click.option(
    "--with-payload", is_flag=True, help="Include prompts and answers, if they were captured."
)
@click.option(
    "--output",
    "-o",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("support.zip"),
    show_default=True,
    metavar="FILE",
    help="Where to write.",
)
@click.option(
    "--check",
    "checked",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Look for secrets in a bundle instead of making one.",
)
@config_option
@json_option
def bundle(
    *,
    config: Config,
    request_ids: Sequence[str],
    since: int | None,
    until: int | None,
    status: int | None,
    model: str | None,
    limit: int,
    with_payload: bool,
    output: Path,
    checked: Path | None,
    as_json: bool,
) -> int:
    """Pack everything about the requests ID…, or those of a time span, into one archive to share.

    Secrets are redacted, and the text of messages is left out unless --with-payload asks for it.
    Every bundle is checked before it is written, as by --check. If a secret is found, nothing is
    written and the exit status is 1.
    """
    redactor = Redactor(secrets_of(config))
    if checked is not None:
        return _check(checked, redactor, as_json=as_json)
    in_order(since, until)
    if not request_ids and since is None and until is None and status is None:
        raise click.UsageError("name requests, or choose them by --since, --until or --status")
    query = Query(model=model, status=status, since=since, until=until, limit=limit)
    with reading(config) as records:
        found = _chosen(config, records, request_ids, query)
        cases = [_case(config, records, one, with_payload=with_payload) for one in found]
    packed = pack(
        files_of(cases, _facts(config), redactor, payloads=with_payload),
        gateway=version("callgate"),
        made=datetime.fromtimestamp(now_ms() / 1000, UTC).isoformat(timespec="seconds"),
        payloads=with_payload,
        requests=[one.request_id for one in found],
    )
    leaks = list(examine(packed, redactor))
    if leaks:
        raise Failure(
            f"the bundle would contain secrets: {leaks[0].file}: {leaks[0].kind}",
            "Nothing was written. Please report this.",
        )
    _write(output, packed)
    if as_json:
        json_line({"file": str(output), "bytes": len(packed), "requests": len(cases)})
    else:
        text = "with payloads" if with_payload else "without the text of messages"
        click.echo(
            f"Wrote {output}: {counted(len(cases), 'request')}, {len(packed)} bytes, {text}."
        )
        click.echo(f"Inspect it before you send it; 'callgate bundle --check {output}' does too.")
    return 0


def _check(path: Path, redactor: Redactor, *, as_json: bool) -> int:
    try:
        if path.stat().st_size > _MAX_BUNDLE:
            raise Failure(f"{path} is larger than a bundle")
        leaks = list(examine(path.read_bytes(), redactor))
    except OSError as error:
        raise Failure(f"{path} cannot be read: {error.strerror}") from None
    except BundleError as error:
        raise Failure(f"{path}: {error}") from None
    for leak in leaks:
        if as_json:
            json_line(leak._asdict())
        else:
            click.echo(f"{printable(leak.file)}:{leak.line}: {leak.kind}")
    if not leaks and not as_json:
        click.echo(
            f"{path}: no known secret, nothing that looks like one, every file matches the manifest"
        )
    return 1 if leaks else 0


def _chosen(
    config: Config, records: Records, request_ids: Sequence[str], query: Query
) -> list[Record]:
    if request_ids:
        found = [looked_up(config, records, one) for one in request_ids]
        return list({one.request_id: one for one in found}.values())
    found = records.find(query, None if query.status is not None else _failed)
    if not found:
        raise Failure("no request on record matches", "See 'callgate logs'.")
    return found


def _failed(record: Record) -> bool:
    return record.error is not None


def _facts(config: Config) -> dict[str, Any]:
    effect = in_effect(config)
    facts = {
        "versions": _versions(),
        "configuration": config.settings,
        "overrides": {"in_effect": effect.given, "not_in_effect": effect.passed},
        "health": _health(config),
    }
    return {name: msgspec.to_builtins(fact) for name, fact in facts.items()}


def _case(config: Config, records: Records, record: Record, *, with_payload: bool) -> Case:
    story = explain(record, records.tally(neighbours(record)))
    lines = [click.unstyle(line) for line in tell(story, record.time, width=_WIDTH)]
    query = msgspec.structs.replace(neighbours(record), model=None)
    return Case(
        record=record,
        story="\n".join(lines) + "\n",
        around=records.tally(query),
        captured=_captured(config, record) if with_payload else None,
    )


def _captured(config: Config, record: Record) -> Captured | None:
    path = files.find(config.capture_dir, record.request_id)
    if path is None:
        why = "it is no longer on this machine" if record.captured else "it was not captured"
        click.echo(f"callgate: note: no payload of {record.request_id}: {why}", err=True)
        return None
    try:
        return files.read(path)
    except files.CaptureError as error:
        click.echo(f"callgate: note: {error}", err=True)
        return None


def _versions() -> dict[str, Any]:
    packages = {one.metadata["Name"]: one.version for one in distributions()}
    return {
        "callgate": version("callgate"),
        "compiled": compiled(),
        "python": sys.version,
        "platform": platform.platform(),
        "packages": dict(sorted(packages.items(), key=lambda one: one[0].lower())),
    }


def _health(config: Config) -> dict[str, Any]:
    """What the running gateway says of itself; of one that does not answer, what can be seen."""
    ready = readiness(gateway_url(config))
    if ready is not None:
        return {"from": "GET /ready", **ready}
    looked = [probes.configuration(config), probes.store(config), *probes.files(config)]
    return {"from": "callgate check --offline; the gateway did not answer", "findings": looked}


def _write(path: Path, data: bytes) -> None:
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(fd, "wb") as file:
            file.write(data)
    except OSError as error:
        raise Failure(f"cannot write {path}: {error.strerror}") from None
