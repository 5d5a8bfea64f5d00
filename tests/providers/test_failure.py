"""What all dialects make of a provider's failure: the words, and the page that is none of its."""

from __future__ import annotations

import pytest

from callgate.core.http import HttpResponse
from callgate.providers.failure import failure, prose
from callgate.providers.registry import DIALECTS

from .samples import target_of

TARGET = target_of()


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"upstream connect error", "upstream connect error"),
        (b"", ""),
        (
            b"<html><style>h1 {color: red}</style>\n<h1>502 Bad Gateway</h1><hr>nginx</html>",
            "502 Bad Gateway nginx",
        ),
        (b"<html><script>var x = 1 < 2", ""),
        (b"<" * 5000, ""),
        (b"a < b", "a < b"),
    ],
)
def test_of_a_page_only_what_a_reader_would_see_is_told(body: bytes, words: str) -> None:
    assert prose(body) == words


@pytest.mark.parametrize("dialect", sorted(DIALECTS))
def test_callers_of_every_dialect_are_spared_the_tags_of_a_page(dialect: str) -> None:
    page = HttpResponse(413, {}, b"<html><h1>Request Entity Too Large</h1></html>")
    error = DIALECTS[dialect].error(page, TARGET)
    assert error.kind.type == "provider_request_too_large"
    assert error.message.endswith(": Request Entity Too Large")


@pytest.mark.parametrize(
    ("code", "text", "detail"),
    [
        ("", "", "status 503: no message"),
        ("", "Busy", "status 503: Busy"),
        ("overloaded", "Busy", "status 503 overloaded: Busy"),
    ],
)
def test_the_operator_is_told_status_code_and_words(code: str, text: str, detail: str) -> None:
    assert failure("provider_unavailable", TARGET, 503, text, code=code).detail == detail


def test_an_error_within_an_answer_is_not_said_to_be_an_answers_status() -> None:
    error = failure("provider_unavailable", TARGET, 200, "oops")
    assert error.message.endswith("(as an answer of status 200 says).")


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b'{"error": {"message": "Try again", "type": "conflict"}}', "provider_unavailable"),
        (b'{"error": {"message": "No", "type": "invalid_request_error"}}', "provider_rejected"),
    ],
)
def test_a_conflict_is_the_providers_unless_it_says_that_the_request_is_wrong(
    body: bytes, kind: str
) -> None:
    assert DIALECTS["openai"].error(HttpResponse(409, {}, body), TARGET).kind.type == kind
