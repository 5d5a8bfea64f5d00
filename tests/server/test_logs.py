"""The gateway's own log: JSON lines without secrets, and at most one of them a request."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest

from callgate.core.ids import uuid7
from callgate.core.secret import Secret
from callgate.engine.accesslog import AccessLog
from callgate.engine.call import Call
from callgate.errors import GatewayError
from callgate.server.logs import JsonLines
from callgate.web.defect import internal_error

SECRET = "planted-without-any-shape"
ID = uuid7(1_795_000_000_000, 5)


def line(message: str = "m", **extra: Any) -> dict[str, Any]:
    record = logging.makeLogRecord({"msg": message, "name": "callgate.x", **extra})
    text = JsonLines([Secret(SECRET)]).format(record)
    assert text.isprintable()
    return dict(json.loads(text))


def test_secrets_are_blotted_out_however_deep() -> None:
    shaped = "Bearer abcdefghijklmnop"
    told = line(
        f"said {SECRET}",
        request_id=ID, flat=shaped, deep={"a": [SECRET, {"b": (shaped,)}]}, data=SECRET.encode(),
        thing=Secret(SECRET), number=5,
    )  # fmt: skip
    assert SECRET not in json.dumps(told)
    assert "abcdefghijklmnop" not in json.dumps(told)
    assert (told["request_id"], told["number"]) == (ID, 5)
    assert told["deep"] == {"a": ["[redacted]", {"b": ["[redacted]"]}]}


def test_a_line_is_nothing_a_terminal_would_obey() -> None:
    said = "\x1b[31m \x9b31m \u2028 \u202e \r\n"
    assert line(said)["message"] == said


def test_a_line_tells_the_instant_to_the_millisecond() -> None:
    told = line(created=1_795_000_000.0625, msecs=62.5)
    assert told["time"] == "2026-11-18T11:06:40.062+00:00"


def test_what_was_harmless_once_is_told_again_and_what_was_not_is_not() -> None:
    lines = JsonLines([Secret(SECRET)])
    for _ in range(2):
        record = logging.makeLogRecord({"msg": f"said {SECRET}", "model": "gpt-4.1"})
        told = json.loads(lines.format(record))
        assert (told["message"], told["model"]) == ("said [redacted]", "gpt-4.1")


def test_the_words_known_to_be_harmless_stay_few_and_short() -> None:
    lines = JsonLines([])
    for number in range(1100):
        lines.format(logging.makeLogRecord({"msg": f"{number}", "long": "a b " * (number % 64)}))
    assert len(lines._harmless) <= 1024
    assert max(map(len, lines._harmless)) <= 128


def ended(kind: str | None = None, *, defect: bool = False) -> Call:
    call = Call(ID, 1.0, "POST", "/v1/chat/completions")
    call.status = 200
    if defect:
        call.error = internal_error(call, ZeroDivisionError("x"))
    elif kind is not None:
        call.error = GatewayError(kind, "told", detail=f"said {SECRET}")
    if call.error is not None:
        call.status = call.error.kind.status
    return call


@pytest.mark.parametrize(
    ("kind", "access", "level"),
    [
        (None, False, None),
        ("invalid_field", False, None),
        ("upstream_cut", False, None),
        ("provider_credentials", False, "ERROR"),
        (None, True, "INFO"),
        ("invalid_field", True, "INFO"),
        ("provider_credentials", True, "ERROR"),
    ],
)
def test_only_the_gateways_own_failures_get_a_line_without_an_access_log(
    caplog: pytest.LogCaptureFixture, kind: str | None, access: bool, level: str | None
) -> None:
    caplog.set_level(logging.INFO)
    AccessLog(access=access).settled(ended(kind))
    assert [record.levelname for record in caplog.records] == ([level] if level else [])
    for record in caplog.records:
        told = json.loads(JsonLines([Secret(SECRET)]).format(record))
        assert told["request_id"] == ID
        assert told.get("error") == kind
        assert ("total_ms" in told) is access
        assert SECRET not in json.dumps(told)


def test_a_defect_is_one_line_with_its_traceback(caplog: pytest.LogCaptureFixture) -> None:
    call = ended(defect=True)
    assert not caplog.records
    AccessLog(access=True).settled(call)
    (record,) = caplog.records
    assert "ZeroDivisionError" in json.loads(JsonLines([]).format(record))["traceback"]


def test_a_defect_after_the_end_is_not_lost(caplog: pytest.LogCaptureFixture) -> None:
    call = ended()
    call.settled = True
    internal_error(call, ZeroDivisionError("x"))
    (record,) = caplog.records
    assert record.request_id == ID  # type: ignore[attr-defined]
