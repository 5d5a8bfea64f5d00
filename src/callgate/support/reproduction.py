"""A minimal request that does again what one on record did: as JSON, for curl and for Python."""

from __future__ import annotations

from typing import Any

import msgspec

from callgate.core.record import Record
from callgate.core.withheld import without_text

PLACEHOLDER = "REPLACE THIS BY THE PROMPT, WHICH IS NOT INCLUDED"
_SHELL = """#!/bin/sh
# Request {request_id} once more. Set CALLGATE_KEY, and CALLGATE_URL if it is another gateway.
cd "$(dirname "$0")" || exit 1
curl -sS -N "${{CALLGATE_URL:-http://127.0.0.1:8080}}{path}" \\
  -H "Authorization: $CALLGATE_KEY" -H "Content-Type: application/json" \\
  --data-binary @request.json
"""

_PYTHON = '''"""Request {request_id} once more. Set CALLGATE_KEY, and CALLGATE_URL if need be."""

import os
import sys
import urllib.error
import urllib.request
from pathlib import Path

request = urllib.request.Request(
    os.environ.get("CALLGATE_URL", "http://127.0.0.1:8080") + "{path}",
    data=Path(__file__).with_name("request.json").read_bytes(),
    headers={{"Authorization": os.environ["CALLGATE_KEY"], "Content-Type": "application/json"}},
)
try:
    response = urllib.request.urlopen(request)
except urllib.error.HTTPError as error:
    response = error
print(response.status, response.headers.get("X-Request-Id"), file=sys.stderr)
for line in response:
    print(line.decode(), end="", flush=True)
'''


def body_of(record: Record) -> dict[str, Any]:
    """The request as far as the record has it: parameters without anybody's text, no prompt."""
    parameters = msgspec.json.decode(msgspec.json.encode(record.parameters or {}))
    body: dict[str, Any] = {"model": record.model, **without_text(parameters)}
    body["messages"] = [{"role": "user", "content": PLACEHOLDER}]
    return body


def shell(record: Record) -> str:
    """The script for curl; the body is in `request.json` beside it."""
    return _SHELL.format(request_id=record.request_id, path=_path(record))


def python(record: Record) -> str:
    """The same in Python, with its standard library alone."""
    return _PYTHON.format(request_id=record.request_id, path=_path(record))


def _path(record: Record) -> str:
    plain = all(one.isalnum() or one in "/-_." for one in record.path)
    # Without the slash, what follows would become a part of the host that gets the key.
    return record.path if plain and record.path.startswith("/") else "/v1/chat/completions"
