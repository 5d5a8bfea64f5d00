"""Credentials, and where URLs have them."""

from __future__ import annotations

import pytest

from callgate.core.secret import Secret, secrets_of_url


def test_a_secret_does_not_show_itself() -> None:
    secret = Secret("planted")
    assert {repr(secret), str(secret), f"{secret}", f"{secret!r}"} == {"Secret(***)"}
    assert secret.reveal() == "planted"
    assert [bool(one) for one in (secret, Secret(""))] == [True, False]


@pytest.mark.parametrize(
    ("url", "secrets"),
    [
        ("postgresql://u:p%40ss@h/db", ["p%40ss", "p@ss"]),
        ("redis://:plain@h:6379/0", ["plain"]),
        ("postgresql://u:a@b:c@h/db", ["a@b:c"]),
        ("postgresql://h/db?user=x&password=q%2Fr#f", ["q%2Fr", "q/r"]),
        ("postgresql://u:one@h/db?password=two&sslmode=require", ["one", "two"]),
        ("postgresql://u:@h/db", []),
        ("postgresql://u@h:5432/db", []),
        ("redis://h:6379/0", []),
        ("sqlite:///data/callgate.db", []),
        ("memory:", []),
    ],
)
def test_the_passwords_of_a_url_are_found_as_written_and_as_meant(
    url: str, secrets: list[str]
) -> None:
    assert [one.reveal() for one in secrets_of_url(url)] == secrets
