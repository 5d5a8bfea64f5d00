"""What is taped, by whose leave, and how much of it."""

from __future__ import annotations

import pytest

from callgate.core.captured import HEADER, KeyMode, Mode
from callgate.core.http import HttpRequest, Origin
from callgate.engine.call import Call
from callgate.engine.tape import Tape
from callgate.store.base import Key
from callgate.web.body import Message
from callgate.web.taping import Taping


class Drawer:
    """A keeper that keeps nothing."""

    def tape(self, request_id: str, mode: Mode, started: int) -> Tape:
        return Tape(mode, started, f"here:{request_id}", 100)

    def keep(self, call: object) -> None:
        raise AssertionError


async def send(message: Message) -> None:
    del message


def begun(default: Mode, key: KeyMode | None, value: bytes | None, *, header: bool = True) -> Call:
    call = Call("id", 0.0, "POST", "/")
    owner = Key(
        id="key_1", digest=b"", hint="", name="", account="", region="", created=0, capture=key
    )
    headers = {b"authorization": b"cg_us_1", b"host": b"h"}
    if value is not None:
        headers[HEADER] = value
    taped = Taping(Drawer(), default, header=header).begin(call, owner, headers, send)
    assert (taped is send) == (call.tape is None)
    return call


@pytest.mark.parametrize("value", [b"full", b" FULL "])
def test_a_caller_can_have_a_request_kept(value: bytes) -> None:
    call = begun("none", None, value)
    assert call.tape is not None
    assert call.tape.mode == "all"
    assert call.tape.headers[0] == ("host", "h")
    assert not any(name == "authorization" for name, _ in call.tape.headers)
    assert call.notes == []


@pytest.mark.parametrize(
    ("key", "header", "by"), [("never", True, "key"), (None, False, "configuration")]
)
def test_an_operator_can_forbid_it_and_the_record_says_so(
    key: KeyMode | None, header: bool, by: str
) -> None:
    call = begun("none", key, b"full", header=header)
    assert call.tape is None
    assert call.notes == [f"capture was requested by header, but the {by} forbids it"]


def test_without_the_header_the_configuration_holds() -> None:
    call = begun("errors", None, b"full", header=False)
    assert call.tape is not None
    assert call.tape.mode == "errors"
    assert begun("none", None, None).tape is None


def test_another_value_is_told() -> None:
    call = begun("none", None, b"some")
    assert call.tape is None
    assert call.notes == ["X-Callgate-Capture is ignored unless its value is 'full'"]


def test_what_is_too_much_is_left_out_and_told() -> None:
    tape = Tape("all", 0, "here:x", 100)
    tape.read(b"x" * 60)
    exchange = tape.begin(HttpRequest("POST", Origin("http", "h", 80), "/", (), b"y" * 50))
    assert tape.cut
    assert exchange.body == b""
    tape.received(exchange, b"z" * 40)
    tape.received(exchange, b"z")
    assert [piece.data for piece in exchange.pieces] == [b"z" * 40, b""]
    assert tape.size == 100
