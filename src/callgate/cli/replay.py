"""`callgate replay`: a captured request once more, live or from the recorded bytes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import closing
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import click
import msgspec

from callgate.capture import files
from callgate.cli.options import Failure, config_option, json_option
from callgate.cli.output import json_line, moment, printable, table
from callgate.cli.whereabouts import gateway_url
from callgate.config import Config
from callgate.core.captured import Captured
from callgate.core.ids import is_request_id
from callgate.core.record import Record
from callgate.core.redact import redact
from callgate.core.scrub import CREDENTIALS
from callgate.support.outcome import Outcome, differences

_PREFIX = 8
_SECONDS = 600.0
_MAX_ANSWER = 256 << 20
_SAMENESS = ("status", "error", "whole")
"""In what a live answer may not differ; a model does not say the same twice."""


class _Answer(NamedTuple):
    status: int
    body: bytes
    request_id: str


@click.command()
@click.argument("request_id", metavar="ID")
@click.option("--recorded", is_flag=True, help="Contact nobody: use the providers' recorded bytes.")
@click.option("--as-test", is_flag=True, help="Write a pytest file that replays these bytes.")
@click.option(
    "--directory",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(),
    metavar="DIR",
    help="Where --as-test writes.  [default: here]",
)
@click.option("--model", metavar="NAME", help="Ask another model.")
@click.option(
    "--url", metavar="URL", help="The gateway to ask.  [default: the one that serves here]"
)
@click.option(
    "--key", envvar="CALLGATE_KEY", metavar="KEY", help="By which to ask.  [env: CALLGATE_KEY]"
)
@config_option
@json_option
def replay(
    *,
    config: Config,
    request_id: str,
    recorded: bool,
    as_test: bool,
    directory: Path,
    model: str | None,
    url: str | None,
    key: str | None,
    as_json: bool,
) -> int:
    """Run the captured request ID again, and show how the outcome differs.

    ID is a request's id, its beginning, or a capture file. Without --recorded a running gateway is
    asked. Exit status 1 if the outcome differs: with --recorded in any byte but ids and times, else
    in status, error, or whether a stream was complete.
    """
    path = _find(config.capture_dir, request_id)
    try:
        captured = files.read(path)
    except files.CaptureError as error:
        raise Failure(str(error)) from None
    if recorded or as_test:
        if model or url:
            raise click.UsageError(
                "--model and --url cannot be combined with --recorded or --as-test"
            )
        told = _rerun(captured)
        if as_test:
            _write_test(captured, path, directory, as_json=as_json)
        return _tell_rerun(captured, told, as_json=as_json)
    if not key:
        raise click.UsageError("a key is needed: --key or CALLGATE_KEY; or replay with --recorded")
    answer = _ask(captured, url or gateway_url(config), key, model)
    return _tell_live(captured, answer, as_json=as_json)


def _find(folder: Path, wanted: str) -> Path:
    """The file of a capture. Raises Failure."""
    given = Path(wanted)
    if given.suffix == files.SUFFIX and given.is_file():
        return given
    wanted = wanted.strip().lower()
    if is_request_id(wanted):
        path = files.find(folder, wanted)
        if path is not None:
            return path
    elif len(wanted) >= _PREFIX and set(wanted) <= set("0123456789abcdef-"):
        found = sorted(folder.glob(f"*/*/{wanted}*{files.SUFFIX}"))
        if len(found) == 1:
            return found[0]
        if found:
            raise Failure(f"{len(found)} captures begin with {wanted}", "Give more of the id.")
    raise Failure(
        f"there is no capture of {printable(redact(wanted), 80)!r} in {folder}",
        "Payloads are kept only where that is asked for: by capture.payloads, by the key, or by "
        "the header X-Callgate-Capture: full; on the machine that the record names.",
    )


def _rerun(captured: Captured) -> list[str]:
    # Imported here, because it brings in the whole gateway.
    import logging

    from callgate.replay.rerun import ReplayError
    from callgate.replay.verdict import replayed

    logging.disable(logging.ERROR)  # the operator has read it when it happened
    try:
        return replayed(captured)[1]
    except ReplayError as error:
        raise Failure(str(error)) from None
    finally:
        logging.disable(logging.NOTSET)


def _write_test(captured: Captured, path: Path, directory: Path, *, as_json: bool) -> None:
    from callgate.replay.regression import write_test

    record = msgspec.json.decode(captured.record, type=Record)
    try:
        test, capture = write_test(captured, record, path, directory)
    except FileExistsError as error:
        raise Failure(f"{error.filename} is there already", "Delete it first.") from None
    except OSError as error:
        raise Failure(f"cannot write to {directory}: {error.strerror}") from None
    if as_json:
        json_line({"test": str(test), "capture": str(capture)})
    else:
        click.echo(f"Wrote {test} and {capture}; run it with: pytest {test}")


def _tell_rerun(captured: Captured, told: Sequence[str], *, as_json: bool) -> int:
    if as_json:
        json_line({"request_id": captured.request_id, "same": not told, "differences": told})
    elif told:
        click.echo(f"{captured.request_id}: the outcome differs from the record:")
        for line in told:
            click.echo(f"  {printable(line)}")
    else:
        attempts = len(captured.exchanges)
        plural = "" if attempts == 1 else "s"
        click.echo(
            f"{captured.request_id}: the same, byte for byte but ids and times: status "
            f"{captured.status}, {len(captured.answer)} bytes, {attempts} attempt{plural}"
        )
    return 1 if told else 0


def _ask(captured: Captured, url: str, key: str, model: str | None) -> _Answer:
    """The response of a running gateway. Raises Failure."""
    body = captured.body
    if model is not None:
        body = json.dumps({**json.loads(body), "model": model}).encode()
    parts = urlsplit(url)
    where = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"  # without a password
    kinds = {"http": HTTPConnection, "https": HTTPSConnection}
    if parts.scheme not in kinds or not parts.hostname:
        raise click.UsageError(f"{where!r} is not a gateway's URL")
    headers = {"Authorization": key, "Content-Type": "application/json"}
    path = parts.path.rstrip("/") + captured.path
    try:
        connection = kinds[parts.scheme](parts.hostname, parts.port, timeout=_SECONDS)
        with closing(connection):
            connection.request(captured.method, path, body, headers)
            response = connection.getresponse()
            return _Answer(
                response.status,
                response.read(_MAX_ANSWER),
                response.headers.get("x-request-id", ""),
            )
    except (OSError, HTTPException, ValueError) as error:
        raise Failure(
            f"{where} does not answer: {type(error).__name__}",
            "Start the gateway, name it with --url, or use --recorded.",
        ) from None


def _tell_live(captured: Captured, answer: _Answer, *, as_json: bool) -> int:
    before = Outcome.of(captured.status, captured.answer)
    after = Outcome.of(answer.status, answer.body)
    told = differences(before, after)
    if as_json:
        json_line(
            {
                "request_id": captured.request_id,
                "replay_id": answer.request_id,
                "recorded": before,
                "now": after,
                "differences": [one.name for one in told],
            }
        )
    else:
        _tell_both(captured, answer, before, after)
    return 1 if any(one.name in _SAMENESS for one in told) else 0


def _tell_both(captured: Captured, answer: _Answer, before: Outcome, after: Outcome) -> None:
    click.echo(
        f"{captured.request_id} of {moment(int(captured.arrived * 1000))}, replayed as "
        f"{answer.request_id or 'a request without an id'}"
    )
    if CREDENTIALS.search(captured.body):
        click.echo("note: secrets were redacted from the request; it is sent without them")
    rows = []
    for name in Outcome.__struct_fields__:
        old, new = (_cell(getattr(one, name)) for one in (before, after))
        if old or new:
            mark = click.style("differs", fg="yellow") if old != new else ""
            rows.append((name, old, new, mark))
    table(("", "RECORDED", "NOW", ""), rows)


def _cell(value: object) -> str:
    if value in (None, "", []):
        return ""
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return printable(text, 60)
