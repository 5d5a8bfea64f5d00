"""Bundles: complete, proven by their manifest, and without any secret."""

from __future__ import annotations

import io
import json
import warnings
import zipfile
from collections.abc import Mapping
from typing import Any

import msgspec
import pytest

from callgate.core.captured import Caller, Captured, Exchange, Piece
from callgate.core.record import Attempt, Record
from callgate.core.secret import Secret
from callgate.store.base import Tally
from callgate.support.bundle import BundleError, Case, examine, files_of, pack
from callgate.support.leaks import Redactor
from callgate.support.reproduction import shell

PLANTED = (
    "an-unshaped-provider-secret",
    "sk-planted-provider-key-000001",
    "cg_us_GWhfAKnXdlgXKI3izInf7Hhooj602thsQ",
    "abcdefBEARER123456.token",
    "AKIAIOSFODNN7EXAMPLE",
    "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    "0123456789abcdef0123456789abcdef",
    "hunter2hunter2",
    "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC",
)
SAID = (
    f"keys {PLANTED[0]} {PLANTED[1]} {PLANTED[2]} Bearer {PLANTED[3]} {PLANTED[4]}\n"
    f"{PLANTED[5]} {PLANTED[6]} password={PLANTED[7]} https://x?key={PLANTED[7]}\n{PLANTED[8]}\n"
    f'{{"api_key": "{PLANTED[7]}"}}'
)
PROMPT = "A private matter."
ID = "01a2068e-3d66-79a0-8749-fd5a27b3c1f0"
REDACTOR = Redactor([Secret(PLANTED[0])])


def case(said: str = SAID) -> Case:
    body = {"model": "m", "messages": [{"role": "user", "content": PROMPT + said}]}
    raw = msgspec.json.encode(body)
    stream = b"data: " + msgspec.json.encode({"error": said}) + b"\n\n"
    exchange = Exchange(
        method="POST", url="http://h/v1", headers=[], body=raw, started_us=1, status=500,
        pieces=[Piece(1, stream)],
    )  # fmt: skip
    record = Record(
        request_id=ID, time=1, region="us", method="POST", path="/v1/chat/completions", status=502,
        account="acme", key_id="key_HLBDVSaw88Q", client="203.0.113.7", user_agent=said,
        client_request_id=said, model="m", parameters={
            "temperature": msgspec.Raw(b"0.5"), "stop": msgspec.Raw(msgspec.json.encode(said)),
            "api_key": msgspec.Raw(msgspec.json.encode(PLANTED[7])),
        },
        error="bad_upstream_reply", message=said, detail=said, cause=said, fix=said,
        prompt_sha256="9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        attempts=[Attempt(
            model="m", provider="p", deployment="p/m", upstream_model="m", host="h", started_us=1,
            message=said, body=PROMPT + said,
            provider_request_id="req_fedcba9876543210fedcba9876543210",
        )],
        notes=[said],
    )  # fmt: skip
    captured = Captured(
        gateway="1", machine="m", request_id=ID, arrived=0.0, method="POST", path="/",
        caller=Caller(id="k", account="a"), headers=[], body=raw, status=502, answer_headers=[],
        pieces=[Piece(1, stream)], ended=True, cut=False, exchanges=[exchange], windows=[], out=[],
        models=[], names=[], absent=[], settings=b"{}", record=b"{}",
    )  # fmt: skip
    return Case(record=record, story=said, around=[Tally(502, said, 3)], captured=captured)


def made(*, payloads: bool, said: str = SAID) -> dict[str, bytes]:
    facts: dict[str, Any] = {
        "configuration": {"providers": {"p": {"api_key": PLANTED[7], "base_url": "http://h"}},
                          "metrics": {"token": "pass1234"},
                          "store": {"url": "postgresql://me:pass1234@h/db"}, said: said},
        "health": {"status": "degraded", "why": said},
        "versions": {"callgate": "1"},
    }  # fmt: skip
    return files_of([case(said)], facts, REDACTOR, payloads=payloads)


def packed(files: Mapping[str, bytes]) -> bytes:
    return pack(files, gateway="1", made="2026-11-23", payloads=True, requests=[ID])


@pytest.mark.parametrize("payloads", [False, True])
def test_no_planted_secret_is_in_a_bundle(payloads: bool) -> None:
    files = made(payloads=payloads)
    data = packed(files)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        everything = {name: archive.read(name) for name in archive.namelist()}
    for name, content in everything.items():
        for secret in (*PLANTED, "pass1234", PLANTED[8].partition("\n")[2]):
            assert secret.encode() not in content, name
            assert secret.replace("\n", "\\n").encode() not in content, name
    assert list(examine(data, REDACTOR)) == []


@pytest.mark.parametrize("payloads", [False, True])
def test_message_text_is_there_only_if_asked_for(payloads: bool) -> None:
    files = made(payloads=payloads)
    assert any(PROMPT.encode() in content for content in files.values()) is payloads
    assert (f"requests/{ID}/attempt-1-answer.txt" in files) is payloads
    assert b"203.0.113.7" not in b"".join(files.values())


def test_what_support_needs_stays() -> None:
    files = made(payloads=False)
    record = json.loads(files[f"requests/{ID}/record.json"])
    assert record["request_id"] == ID
    assert record["prompt_sha256"].startswith("9f86d0")
    assert record["attempts"][0]["provider_request_id"].startswith("req_fedc")
    assert record["parameters"]["temperature"] == 0.5
    assert record["parameters"]["stop"] == f"<{len(SAID)} characters>"
    request = json.loads(files[f"requests/{ID}/request.json"])
    assert request["model"] == "m"
    assert "REPLACE" in request["messages"][0]["content"]
    script = files[f"requests/{ID}/reproduce.sh"].decode()
    assert "$CALLGATE_KEY" in script
    compile(files[f"requests/{ID}/reproduce.py"], "reproduce.py", "exec")


def test_every_file_is_in_the_manifest_with_its_hash() -> None:
    files = made(payloads=True)
    data = packed(files)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        manifest = json.loads(archive.read("manifest.json"))
    assert {one["name"] for one in manifest["files"]} == set(files)
    changed = repacked(data, {"versions.json": b"{}", "more.txt": b"x"}, without="health.json")
    assert {(one.file, one.kind) for one in examine(changed, REDACTOR)} == {
        ("versions.json", "its SHA-256 is not that of the manifest"),
        ("more.txt", "the manifest does not list it"),
        ("health.json", "missing: the manifest lists it"),
    }


@pytest.mark.parametrize("secret", PLANTED)
def test_a_secret_that_slipped_in_is_found_and_not_repeated(secret: str) -> None:
    text = f"password={secret}" if secret == PLANTED[7] else f"a line\nBearer {secret}"
    changed = repacked(packed({}), {"notes.txt": text.encode()})
    found = [one for one in examine(changed, REDACTOR) if "manifest" not in one.kind]
    assert found
    assert secret not in str(found)


def test_a_second_file_of_a_name_hides_nothing() -> None:
    archive = io.BytesIO(packed({"notes.txt": b"plain"}))
    with zipfile.ZipFile(archive) as whole:
        files = {name: whole.read(name) for name in whole.namelist()}
    doubled = io.BytesIO()
    with zipfile.ZipFile(doubled, "w") as again, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # zipfile itself warns of what is done here
        again.writestr("notes.txt", f"Bearer {PLANTED[1]}")
        for name, content in files.items():
            again.writestr(name, content)
    with pytest.raises(BundleError, match="two files of the same name"):
        list(examine(doubled.getvalue(), REDACTOR))


def test_a_broken_archive_is_refused_wherever_it_is_broken() -> None:
    whole = packed(made(payloads=True))
    for at in range(30, len(whole), 37):
        broken = bytearray(whole)
        broken[at] ^= 0xFF
        try:
            assert list(examine(bytes(broken), REDACTOR)) is not None
        except BundleError:
            continue


@pytest.mark.parametrize("path", [".evil.example/", "", '/"; rm', "@evil.example/v1"])
def test_a_recorded_path_leads_a_key_nowhere_else(path: str) -> None:
    record = Record(request_id=ID, time=1, region="us", method="POST", path=path, status=500)
    assert '}/v1/chat/completions"' in shell(record)


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04", b"nonsense" * 100])
def test_what_is_no_bundle_is_refused(data: bytes) -> None:
    with pytest.raises(BundleError):
        list(examine(data, REDACTOR))


def test_a_manifest_that_nests_without_end_is_refused() -> None:
    deep = b'{"x":' + b"[" * 100_000
    with pytest.raises(BundleError, match=r"no valid manifest\.json"):
        list(examine(repacked(packed({}), {"manifest.json": deep}), REDACTOR))


def repacked(data: bytes, changes: Mapping[str, bytes], without: str = "") -> bytes:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        files = {name: archive.read(name) for name in archive.namelist() if name != without}
    again = io.BytesIO()
    with zipfile.ZipFile(again, "w") as archive:
        for name, content in {**files, **changes}.items():
            archive.writestr(name, content)
    return again.getvalue()
