"""Secrets are taken out of text that others wrote."""

from __future__ import annotations

import time

import pytest

from callgate.core.redact import MASK, redact
from callgate.core.secret import Secret


@pytest.mark.parametrize(
    "secret",
    [
        "sk-proj-abcdef0123456789",
        "sk-ant-api03-abc_DEF-123",
        "gsk_abcdefghijklmnop",
        "cg_us_0123456789abcdef",
        "AKIAIOSFODNN7EXAMPLE",
        "AIzaSyA1234567890abcdefghijklmnopqrstu",
        "Bearer abc.def-ghi",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl",
        "0123456789abcdef0123456789abcdef",
        "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        "bad-key-**********test",
        "****iKey",
        "org-abc123DEF",
    ],
)
def test_what_looks_like_a_secret_is_masked(secret: str) -> None:
    told = redact(f"Incorrect API key provided: {secret}. See https://example.com/account/api-keys")
    assert secret not in told
    assert MASK in told
    assert told.endswith("See https://example.com/account/api-keys")


def test_a_known_secret_is_masked_whatever_it_looks_like() -> None:
    assert redact("your key is hunter2!", [Secret("hunter2")]) == f"your key is {MASK}!"


def test_of_a_text_that_was_cut_the_part_of_a_secret_goes_too() -> None:
    secret = Secret("planted.6f2b.0000.aaaa")
    for length in range(6, 22):
        assert redact(f"the key is {secret.reveal()[:length]}", [secret]) == f"the key is {MASK}"
    for text in ("the key is plant", "planted.6f2b is no key", "planted.6f2b.0000.aaab"):
        assert redact(text, [secret]) == text


def test_of_two_known_secrets_one_may_begin_with_the_other() -> None:
    short, long = Secret("opensesame"), Secret("opensesame-twice")
    assert redact("key opensesame-twice", (short, long)) == "key [redacted]"


def test_a_secret_too_short_to_be_one_is_not_searched_for() -> None:
    assert redact("a banana", [Secret("a"), Secret("ban"), Secret("")]) == "a banana"
    assert redact("a banana", [Secret("bana")]) == f"a {MASK}na"


@pytest.mark.parametrize(
    "text",
    [
        "Unsupported value: 'messages[0].role' does not support 'system' with this model.",
        "No endpoints found for meta-llama/llama-4-maverick-17b-128e-instruct-fp8.",
        "accounts/fireworks/models/llama-v3p1-8b-instruct is not deployed",
        "This endpoint's maximum context length is 200000 tokens.",
        "Read https://docs.example.com/en-us/azure/machine-learning/how-to-troubleshoot-endpoints",
    ],
)
def test_plain_words_stay(text: str) -> None:
    assert redact(text) == text


@pytest.mark.parametrize(
    "word", [".", "a", "a.", "-a", "é", "*a", "eyJ-", "eyJaaaaaaaa-", "A1b2+/", "Bearer ", "\\n"]
)
def test_time_is_in_proportion_to_the_text(word: str) -> None:
    """A provider chooses the text, and all other callers of the worker wait meanwhile."""
    text = word * (20_000 // len(word))
    begun = time.process_time()
    redact(text)
    assert time.process_time() - begun < 1


def test_what_a_provider_masked_goes_wherever_it_stands_in_a_word() -> None:
    assert redact("key:abc***def, 'x***'; sk-1234567***rest ***") == (
        f"key:{MASK}, '{MASK}'; {MASK} {MASK}"
    )
