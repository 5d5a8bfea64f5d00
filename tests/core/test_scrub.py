"""Bytes without secrets, as long as before."""

from __future__ import annotations

import json
import time

import pytest

from callgate.core.redact import redact
from callgate.core.scrub import blot_known, credentials_in, known, scrub, scrub_spread, slices
from callgate.core.secret import Secret

CREDENTIALS = (
    "Bearer abcDEF123456.token",
    "bearer aaaaaaaaaaaaaaaaaaaaaaaa",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl",
    "sk-planted-provider-key-000001",
    "sk-ant-api03-abcdefgh1234_xy",
    "cg_us_GWhfAKnXdlgXKI3izInf7Hhooj602thsQ",
    "ghp_abcdefghij1234567890",
    "github_pat_11ABCDEFG0abcdefghij",
    "AKIAIOSFODNN7EXAMPLE",
    "AIzaSyA1234567890abcdefghijklmnop",
    "ya29.a0AfH6SMBabcdefghij",
    "xoxb-123456789012-abcdefABCDEF",
    "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQ\n",
    "password=hunter2-hunter2",
    "https://example.com/v1?key=0123456789abcdef",
)
INNOCENT = (
    "Basic concepts of bearer bonds",
    "the column pk_orders_id and the table fw_rules",
    '{"password": {"type": "string"}, "api_key": null, "access_token": 1234567890}',
    "0199c3e7-7d3a-7c12-9a41-5c1f0c6f2b7e",
    "da39a3ee5e6b4b0d3255bfef95601890afd80709",
    "key=1 and token=abc",
)


@pytest.mark.parametrize("secret", CREDENTIALS)
@pytest.mark.parametrize("around", ["{}", 'say "{}".', "a\\n{}\\nb", "{}, {}"])
def test_a_credential_is_blotted_out_and_nothing_moves(secret: str, around: str) -> None:
    text = around.format(secret, secret).encode()
    safe = scrub(text)
    assert len(safe) == len(text)
    assert secret.encode() not in safe
    assert list(credentials_in(text))
    assert not list(credentials_in(safe))
    assert scrub(safe) == safe


@pytest.mark.parametrize("secret", CREDENTIALS)
def test_json_stays_the_json_that_it_was(secret: str) -> None:
    body = {"messages": [{"role": "user", "content": f"my key:\n{secret}\n{secret}"}], "n": 1}
    safe = scrub(json.dumps(body).encode())
    assert secret not in json.loads(safe)["messages"][0]["content"]
    assert json.loads(safe)["n"] == 1


@pytest.mark.parametrize("text", INNOCENT)
def test_ordinary_words_are_left_alone(text: str) -> None:
    assert scrub(text.encode()) == text.encode()


def test_a_long_image_is_left_alone() -> None:
    image = b'{"url": "data:image/png;base64,' + b"iVBORw0KGgo" * 30_000 + b'"}'
    assert scrub(image) == image


def test_known_secrets_go_in_every_form_in_which_they_are_written() -> None:
    forms = known([Secret("hunter2/hunter2"), Secret("short")])
    text = rb"hunter2/hunter2 hunter2\/hunter2 hunter2%2Fhunter2 short"
    safe = scrub(text, forms)
    assert b"hunter2" not in safe
    assert safe.endswith(b"short")
    assert [kind for _, _, kind in credentials_in(text, forms)] == ["known"] * 3


def test_of_a_secret_that_begins_like_another_nothing_is_left() -> None:
    forms = known([Secret("planted-"), Secret("planted-longer")])
    assert forms == (b"planted-longer", b"planted-")
    assert b"longer" not in scrub(b"a planted-longer one", forms)
    assert list(credentials_in(b"planted-", [b"planted-"])) == [(0, 8, "known")]
    assert known([Secret("1234567"), Secret("12345678")]) == (b"12345678",)


def test_what_is_redacted_of_a_text_is_redacted_of_the_blotted_one() -> None:
    """So a replay from blotted bytes tells the same errors."""
    for secret in CREDENTIALS[2:11]:
        text = f"Incorrect API key provided: {secret}. Look at https://example.com."
        assert redact(scrub(text.encode()).decode()) == redact(text)
    for own in ("an-own-unshaped-secret", "sk-ant-own0-secret0-000000001"):
        replayed = Secret(blot_known(own.encode()).decode())
        for text in (f"wrong key: {own}.", f"'authorization': 'Bearer {own}'"):
            safe = scrub(text.encode(), known([Secret(own)])).decode()
            assert redact(safe, [replayed]) == redact(text, [Secret(own)])
    text = "Keep sk-ant-own0-secret0-000000001 !"  # whose it is, this provider does not know
    safe = scrub(text.encode(), known([Secret("sk-ant-own0-secret0-000000001")])).decode()
    assert redact(safe) == redact(text) == "Keep [redacted] !"


def test_a_secret_that_a_stream_brings_in_pieces_is_found() -> None:
    pieces = ["my key is s", "k-plan", "ted-prov", "ider-key-0000", "01 indeed"]
    events = b"".join(
        b"data: %b\n\n" % json.dumps({"delta": {"content": piece}}).encode() for piece in pieces
    )
    safe = scrub_spread(events)
    assert len(safe) == len(events)
    told = [json.loads(line[6:]) for line in safe.decode().split("\n\n") if line]
    assert [len(one["delta"]["content"]) for one in told] == [len(piece) for piece in pieces]
    text = "".join(one["delta"]["content"] for one in told)
    assert text.startswith("my key is sk-xx0xx0x-")
    assert text.endswith(" indeed")
    assert "planted" not in text


def test_slices_are_the_scrubbed_bytes_wherever_a_credential_stands() -> None:
    words = "".join(f" {one}\\n{one}," for one in CREDENTIALS)
    for filling in (b"x", b'"', b"\xff", b"ab+/"):
        for before in range(15_300, 16_400, 331):
            data = (
                filling * (before // len(filling)) + b" " + words.encode() + b" " + filling * 2_000
            )
            cut = list(slices(data, [b"planted"]))
            assert b"".join(cut) == scrub(data, [b"planted"])
            assert len(cut) > 1
    assert list(slices(b"")) == []


def test_a_text_without_quotation_marks_is_cut_too() -> None:
    """Else a picture in a prompt would keep the whole process waiting."""
    assert max(map(len, slices(b"iVBORw0KGgo" * 9_000))) <= 16 * 1024


def test_time_is_in_proportion_to_the_text() -> None:
    """Whoever may ask for a capture chooses the text; some thousand steps for each byte are not."""
    data = b"eyJ-" * 30_000
    begun = time.process_time()
    scrub(data)
    assert time.process_time() - begun < 4
