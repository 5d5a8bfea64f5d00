"""Credentials on a request."""

from __future__ import annotations

from dataclasses import replace

import pytest

from callgate.core.http import HttpRequest
from callgate.core.models import Deployment, Vendor
from callgate.core.secret import Secret
from callgate.providers.auth import authorize

from .samples import SECRET, target_of


def authorized(scheme: str, secret: str = SECRET) -> HttpRequest:
    vendor = Vendor(name="v", dialect="openai", auth=scheme)  # type: ignore[arg-type]
    deployment = replace(target_of(vendor).deployment, secret=Secret(secret))
    request = HttpRequest("POST", deployment.origin, "/v1/x", (("accept", "a/b"),), b"body")
    return authorize(request, deployment)


@pytest.mark.parametrize(
    ("scheme", "header"),
    [
        ("bearer", ("authorization", f"Bearer {SECRET}")),
        ("x-api-key", ("x-api-key", SECRET)),
        ("api-key", ("api-key", SECRET)),
        ("x-goog-api-key", ("x-goog-api-key", SECRET)),
    ],
)
def test_each_scheme_adds_its_header_and_nothing_else(scheme: str, header: tuple[str, str]) -> None:
    request = authorized(scheme)
    assert request.headers == (("accept", "a/b"), header)
    assert (request.path, request.body) == ("/v1/x", b"body")
    assert SECRET not in repr(request)


@pytest.mark.parametrize("scheme", ["none", "bearer", "api-key"])
def test_a_server_without_a_key_gets_none(scheme: str) -> None:
    assert authorized(scheme, secret="").headers == (("accept", "a/b"),)


def test_no_key_is_sent_where_the_scheme_says_none() -> None:
    assert authorized("none").headers == (("accept", "a/b"),)


def test_an_unknown_scheme_is_a_mistake() -> None:
    with pytest.raises(KeyError):
        authorized("unheard-of")


def test_a_deployment_does_not_show_its_secret() -> None:
    deployment: Deployment = target_of().deployment
    assert SECRET not in repr(deployment)
