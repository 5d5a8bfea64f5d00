"""What is sent to someone else about failed requests: one archive, proven to hold no secret."""

from __future__ import annotations

import hashlib
import io
import lzma
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from callgate.core.captured import Captured
from callgate.core.record import Record
from callgate.core.redact import MASK
from callgate.core.withheld import without_text
from callgate.store.base import Tally
from callgate.support.leaks import Leak, Redactor
from callgate.support.reproduction import body_of, python, shell

FORMAT = 1
MANIFEST = "manifest.json"
_MAX_FILES = 20_000
_MAX_BYTES = 512 << 20
_EPOCH = (1980, 1, 1, 0, 0, 0)


_UNSOUND = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, NotImplementedError, RuntimeError, OSError,
    EOFError, ValueError,
)  # fmt: skip
"""What reading an archive raises where it is broken."""


class BundleError(Exception):
    """A bundle cannot be read; the message says why, for people."""


class Case(Struct, kw_only=True):
    """One request of a bundle: its record and story, and how the five minutes around it went."""

    record: Record
    story: str
    around: Sequence[Tally]
    captured: Captured | None = None


class Entry(Struct, kw_only=True):
    """A file of the manifest."""

    name: str
    size: int
    sha256: str


class Manifest(Struct, kw_only=True):
    """What a bundle holds. `made` is UTC."""

    format: int = FORMAT
    gateway: str
    made: str
    payloads: bool
    requests: list[str]
    files: list[Entry]


def files_of(
    cases: Sequence[Case],
    facts: Mapping[str, Any],
    redactor: Redactor,
    *,
    payloads: bool,
) -> dict[str, bytes]:
    """The files by name. `facts` become JSON files of their names; with `payloads`, what was
    captured of prompts and answers is included; secrets are redacted either way.
    """
    files = {f"{name}.json": _json(redactor.value(one)) for name, one in facts.items()}
    for case in cases:
        folder = f"requests/{case.record.request_id}/"
        for name, data in _of_case(case, redactor, payloads=payloads):
            files[folder + name] = data
    return files


def pack(
    files: Mapping[str, bytes],
    *,
    gateway: str,
    made: str,
    payloads: bool,
    requests: Iterable[str],
) -> bytes:
    """The archive, with a manifest of every file."""
    manifest = Manifest(
        gateway=gateway,
        made=made,
        payloads=payloads,
        requests=list(requests),
        files=[
            Entry(name=name, size=len(data), sha256=hashlib.sha256(data).hexdigest())
            for name, data in files.items()
        ],
    )
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as zipped:
        for name, data in {MANIFEST: _json(manifest), **files}.items():
            info = zipfile.ZipInfo(name, _EPOCH)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = 0o600 << 16
            zipped.writestr(info, data)
    return archive.getvalue()


def examine(data: bytes, redactor: Redactor) -> Iterator[Leak]:
    """What is wrong with a bundle: secrets in it, and files that are not those of its manifest.

    Raises BundleError where it cannot be read.
    """
    files = _unpacked(data)
    try:
        manifest = msgspec.json.decode(files.get(MANIFEST, b""), type=Manifest)
    except (ValueError, RecursionError):
        raise BundleError("it has no valid manifest.json") from None
    listed = {entry.name: entry for entry in manifest.files}
    for name in sorted(listed.keys() | files.keys() - {MANIFEST}):
        found, entry = files.get(name), listed.get(name)
        if found is None:
            yield Leak(name, 0, "missing: the manifest lists it")
        elif entry is None:
            yield Leak(name, 0, "the manifest does not list it")
        elif hashlib.sha256(found).hexdigest() != entry.sha256:
            yield Leak(name, 0, "its SHA-256 is not that of the manifest")
    for name, content in files.items():
        yield from redactor.leaks(name, content)
        yield from redactor.leaks("a file's name", name.encode())


def _of_case(case: Case, redactor: Redactor, *, payloads: bool) -> Iterator[tuple[str, bytes]]:
    record, captured = case.record, case.captured if payloads else None
    told = msgspec.json.decode(msgspec.json.encode(record))
    if record.client is not None:
        told["client"] = MASK
    if not payloads:
        told["parameters"] = without_text(told.get("parameters") or {})
        for attempt in told.get("attempts", ()):
            if attempt.get("body"):
                attempt["body"] = f"<{len(attempt['body'])} characters>"
    yield "record.json", _json(redactor.value(told))
    yield "story.txt", redactor.text(case.story).encode()
    counts = [{"status": one.status, "error": one.error, "calls": one.calls} for one in case.around]
    yield "five-minutes.json", _json(redactor.value(counts))
    body = _readable(captured.body) if captured is not None else None
    yield "request.json", _json(redactor.value(body_of(record) if body is None else body))
    yield "reproduce.sh", redactor.text(shell(record)).encode()
    yield "reproduce.py", redactor.text(python(record)).encode()
    if captured is not None:
        yield "response.txt", _redacted(captured.answer, redactor)
        for number, exchange in enumerate(captured.exchanges, 1):
            sent = _readable(exchange.body)
            answer = b"".join([piece.data for piece in exchange.pieces])
            yield f"attempt-{number}-sent.json", _json(redactor.value(sent))
            yield f"attempt-{number}-answer.txt", _redacted(answer, redactor)


def _readable(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except (ValueError, RecursionError):
        return body.decode("utf-8", "replace") or None


def _redacted(data: bytes, redactor: Redactor) -> bytes:
    return redactor.text(data.decode("utf-8", "replace")).encode()


def _json(value: Any) -> bytes:
    return msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n"


def _unpacked(data: bytes) -> dict[str, bytes]:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as zipped:
            infos = zipped.infolist()
            names = {one.filename for one in infos}
            if len(names) < len(infos):  # who unpacks it may see another one than was examined
                raise BundleError("it contains two files of the same name")
            if len(infos) > _MAX_FILES or sum(one.file_size for one in infos) > _MAX_BYTES:
                raise BundleError("it contains more than a bundle may")
            return {one.filename: zipped.read(one) for one in infos if not one.is_dir()}
    except _UNSOUND as error:
        raise BundleError(f"it is not a valid zip archive: {error}") from None
