"""What providers' answers are taken to say."""

from __future__ import annotations

import pytest

from callgate.core.survey import Answer, Standing
from callgate.errors import GatewayError
from callgate.support.answers import of_answer, of_clock


@pytest.mark.parametrize(
    "detail",
    [
        "host presented a certificate that cannot be trusted: self-signed certificate",
        "host did not complete the TLS handshake: WRONG_VERSION_NUMBER",
    ],
)
def test_trust_is_told_apart_from_reach(detail: str) -> None:
    error = GatewayError("upstream_unreachable", "the provider did", detail=detail)
    (found,) = of_answer(Answer(provider="p", host="h", error=error), ())
    assert (found.state, "SSL_CERT_FILE" in found.fix) == ("problem", True)


def test_braces_in_a_provider_s_words_do_no_harm() -> None:
    error = GatewayError("bad_upstream_reply", "x", detail='{"a": {0} {provider}}')
    (found,) = of_answer(Answer(provider="p", host="h", status=200, error=error), ())
    assert '{"a": {0} {provider}}' in found.what


def test_what_was_listed_before_a_failure_still_counts() -> None:
    error = GatewayError("provider_unavailable", "away")
    standings = [
        Standing(model="a", upstream_model="a", verdict="served", listed_as="a"),
        Standing(model="b", upstream_model="b", verdict="unknown", why="w"),
    ]
    answer = Answer(provider="p", host="h", status=503, error=error, standings=standings)
    found = {one.part: one for one in of_answer(answer, ())}
    assert found["model a"].state == "ok"
    assert found["models at p"].what.endswith(": b")
    assert "model b" not in found


def test_one_provider_with_a_wrong_clock_is_outvoted() -> None:
    skews = (0.1, -0.3, 9000.0)
    answers = [Answer(provider=str(skew), host="h", skew=skew) for skew in skews]
    assert of_clock(answers).state == "ok"
