"""Captures of a running gateway: what is kept, of whom, and that no secret is in them."""

from __future__ import annotations

import gzip
import json
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from callgate.capture import files
from callgate.cli.keys import add_key
from callgate.core.captured import Captured
from callgate.store.base import Key
from callgate.store.opening import open_store
from gateway import PROVIDER_KEY, Gateway, until

CHAT = "/v1/chat/completions"
FULL = {"x-callgate-capture": "full"}
ONCE = {"fallback_config": {"retry": False}}
PLANTED = (
    PROVIDER_KEY,
    "sk-ant-api03-callersown1234567890",
    "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    "AKIAIOSFODNN7EXAMPLE",
    "abcdefBEARER123456.token",
)
PROMPT = f"keys:\n{PLANTED[0]}\n{PLANTED[1]}\n{PLANTED[2]} {PLANTED[3]} Bearer {PLANTED[4]}"


def kept(capturing: Gateway, request_id: str) -> Captured | None:
    """The capture of a request, which is written a moment after its response."""
    record = capturing.record(request_id)
    folder = capturing.folder / "callgate-data" / "captures"
    if "captured" not in record:
        assert files.find(folder, request_id) is None
        return None
    assert record["captured"].endswith(f":{files.place(request_id)}")
    until(lambda: files.find(folder, request_id) is not None)
    found = files.find(folder, request_id)
    assert found is not None
    return files.read(found)


def ask(capturing: Gateway, key: str, model: str, /, **more: object) -> httpx.Response:
    headers = more.pop("headers", {})
    with capturing.client(key, headers=headers) as client:
        body = {"model": f"plain-{model}", "prompt": "x", **ONCE, **more}
        return client.post(CHAT, json=body)


def key_of(gateway: Gateway, mode: str) -> str:
    template = Key(
        id="", digest=b"", hint="", name=mode, account="a", region="us", created=0,
        capture=mode,  # type: ignore[arg-type]
    )  # fmt: skip
    with closing(open_store(f"sqlite:///{gateway.folder / 'callgate-data' / 'callgate.db'}")) as it:
        return add_key(it.keys, template)[0]


def test_of_whom_what_is_kept(capturing: Gateway) -> None:
    keys = {mode: key_of(capturing, mode) for mode in ("none", "errors", "all", "never")}
    keys["default"] = capturing.key
    expected = {
        "default": (True, True, True),
        "none": (False, False, True),
        "errors": (False, True, True),
        "all": (True, True, True),
        "never": (False, False, False),
    }
    for mode, (good, bad, asked) in expected.items():
        answers = [
            ask(capturing, keys[mode], "ok"),
            ask(capturing, keys[mode], "rejected"),
            ask(capturing, keys[mode], "ok", headers=FULL),
        ]
        found = [kept(capturing, one.headers["x-request-id"]) is not None for one in answers]
        assert found == [good, bad, asked], mode
    record = capturing.record(answers[-1].headers["x-request-id"])
    assert record["notes"] == ["capture was requested by header, but the key forbids it"]


@pytest.mark.parametrize("wrong", [{}, {"temperature": "hot"}, {"model": 5}])
def test_a_request_may_ask_that_nothing_of_it_be_kept(
    capturing: Gateway, wrong: dict[str, object]
) -> None:
    asked = {"zero_data_retention": True, "user": "Ada Lovelace", **wrong}
    answer = ask(capturing, capturing.key, "ok", headers=FULL, **asked)
    assert answer.status_code == (400 if wrong else 200)
    request_id = answer.headers["x-request-id"]
    assert kept(capturing, request_id) is None
    record = capturing.record(request_id)
    assert "prompt_sha256" not in record
    assert "Lovelace" not in json.dumps(record)
    without = ask(capturing, capturing.key, "ok", **{**asked, "zero_data_retention": False})
    assert kept(capturing, without.headers["x-request-id"]) is not None


def test_both_sides_of_the_gateway_are_kept(capturing: Gateway) -> None:
    answer = ask(capturing, capturing.key, "ok", headers=FULL, prompt="Hello there")
    capture = kept(capturing, answer.headers["x-request-id"])
    assert capture is not None
    assert json.loads(capture.body)["prompt"] == "Hello there"
    assert capture.answer == answer.content
    assert capture.status == 200
    assert capture.ended
    (exchange,) = capture.exchanges
    assert exchange.url.endswith("/v1/chat/completions")
    assert json.loads(exchange.body)["messages"][0]["content"] == "Hello there"
    assert exchange.status == 200
    assert json.loads(exchange.pieces[0].data)["id"] == "chatcmpl-up"
    assert exchange.answer_headers["x-request-id"] == "req_upstream"
    assert not any("authorization" in name for name, _ in exchange.headers + capture.headers)
    assert json.loads(capture.record)["captured"]


def test_a_stream_is_kept_in_its_pieces(capturing: Gateway) -> None:
    answer = ask(capturing, capturing.key, "ok", headers=FULL, stream=True)
    capture = kept(capturing, answer.headers["x-request-id"])
    assert capture is not None
    assert capture.answer == answer.content
    assert b"[DONE]" in capture.pieces[-1].data
    (exchange,) = capture.exchanges
    times = [piece.at_us for piece in exchange.pieces]
    assert times == sorted(times)
    assert times[0] >= exchange.started_us
    assert b"".join(piece.data for piece in exchange.pieces).count(b"data: ") == 8


def test_each_attempt_is_kept_and_what_failed_of_it(capturing: Gateway) -> None:
    more = {"fallbacks": [{"model": "plain-ok"}], "user": "kept"}
    answer = ask(capturing, capturing.key, "once", fallback_config={"retry": True}, **more)
    assert answer.status_code == 200
    capture = kept(capturing, answer.headers["x-request-id"])
    assert capture is not None, "an attempt failed"
    assert [one.status for one in capture.exchanges] == [500, 200]
    cut = ask(capturing, capturing.key, "cut", stream=True)
    capture = kept(capturing, cut.headers["x-request-id"])
    assert capture is not None
    assert capture.exchanges[0].error is not None
    assert capture.exchanges[0].error.type == "upstream_cut"
    assert not capture.exchanges[0].ended


def test_no_planted_secret_is_in_any_capture(capturing: Gateway) -> None:
    ids = [
        ask(capturing, capturing.key, name, prompt=PROMPT, stream=stream, headers=FULL)
        .headers["x-request-id"]
        for name in ("ok", "bad-key", "page", "html", "rejected")
        for stream in (False, True)
    ]  # fmt: skip
    assert all(kept(capturing, one) for one in ids)
    folder = capturing.folder / "callgate-data" / "captures"
    found = [path for path in folder.rglob("*") if path.is_file()]
    assert len(found) >= len(ids)
    for path in found:
        assert path.stat().st_mode & 0o077 == 0
        data = gzip.decompress(path.read_bytes())
        for secret in (*PLANTED, capturing.key):
            assert secret.encode() not in data
    body = files.read(_path(folder, ids[0])).body
    assert len(json.loads(body)["prompt"]) == len(PROMPT)
    assert b"Bearer Xx0" in body


def _path(folder: Path, request_id: str) -> Path:
    path = files.find(folder, request_id)
    assert path is not None
    return path
