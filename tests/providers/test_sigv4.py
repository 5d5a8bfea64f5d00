"""Requests to AWS signed, held against botocore's own client."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import botocore.auth
import botocore.session
import pytest
from botocore.config import Config

from callgate.core.http import HttpRequest, split_url
from callgate.core.models import Deployment
from callgate.core.secret import Secret
from callgate.core.validate import parse_chat
from callgate.errors import GatewayError
from callgate.providers.auth import authorize
from callgate.providers.bedrock.dialect import Bedrock

from .samples import SECRET, target_of

KEY_ID = "AKIDEXAMPLE"
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
MODELS = [
    "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
    "arn:aws:bedrock:us-east-1:000000000000:inference-profile/us.amazon.nova-pro-v1:0",
    "amazon.nova-micro-v1:0",
]


def deployment(model: str = MODELS[0], *, token: str = "", **options: str) -> Deployment:
    origin, _ = split_url("https://bedrock-runtime.eu-west-3.amazonaws.com")
    return replace(
        target_of("bedrock", upstream_model=model).deployment,
        origin=origin,
        session_token=Secret(token),
        options={"access_key_id": KEY_ID, **options},
    )


def request(at: Deployment) -> HttpRequest:
    body = {"model": "m", "messages": [{"role": "user", "content": "Grüße"}]}
    target = target_of("bedrock").replace(deployment=at)
    return Bedrock().encode(parse_chat(json.dumps(body).encode()), target)


class _Sent(Exception):  # noqa: N818 - a signal
    pass


def sent_by_botocore(model: str, token: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """What botocore's own client would send, caught before it is."""
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda: NOW.replace(tzinfo=None))
    session = botocore.session.Session()
    client = session.create_client(
        "bedrock-runtime",
        region_name="eu-west-3",
        aws_access_key_id=KEY_ID,
        aws_secret_access_key=SECRET,
        aws_session_token=token or None,
        config=Config(retries={"max_attempts": 1}),
    )
    caught: list[Any] = []

    def catch(request: Any, **_: Any) -> None:
        caught.append(request)
        raise _Sent

    client.meta.events.register("before-send.bedrock-runtime", catch)
    with pytest.raises(_Sent):
        client.converse(modelId=model, messages=[{"role": "user", "content": [{"text": "Grüße"}]}])
    return caught[0]


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("token", ["", "session-token-of-a-role"])
def test_the_same_request_has_the_same_url_and_signature_as_botocores(
    model: str, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_BEARER_TOKEN_BEDROCK", raising=False)
    theirs = sent_by_botocore(model, token, monkeypatch)
    at = deployment(model, token=token)
    path = theirs.url.removeprefix(str(at.origin))
    assert path == request(at).path
    amazon = {"authorization", "x-amz-date", "x-amz-security-token"}
    signed = theirs.headers["Authorization"]
    signed = signed.decode() if isinstance(signed, bytes) else signed
    covered = signed.partition("SignedHeaders=")[2].partition(",")[0].split(";")
    given = {
        name.lower(): value.decode() if isinstance(value, bytes) else value
        for name, value in theirs.headers.items()
    }
    headers = tuple((name, given[name]) for name in covered if name not in (amazon | {"host"}))
    ours = authorize(HttpRequest("POST", at.origin, path, headers, theirs.body), at, NOW)
    assert dict(ours.headers)["authorization"] == signed
    assert dict(ours.headers)["x-amz-date"] == "20260102T030405Z"


def test_the_signature_covers_host_time_type_and_token() -> None:
    headers = dict(authorize(request(deployment()), deployment(token="t"), NOW).headers)
    assert (
        "SignedHeaders=accept;content-type;host;x-amz-date;x-amz-security-token"
        in (headers["authorization"])
    )
    assert "/20260102/eu-west-3/bedrock/aws4_request" in headers["authorization"]
    assert headers["x-amz-security-token"] == "t"
    assert all(name == name.lower() for name in headers)
    assert SECRET not in str(headers)


def test_the_region_is_the_hosts_unless_it_is_said() -> None:
    signed = authorize(request(deployment()), deployment(region="us-west-2"), NOW)
    assert "/us-west-2/bedrock/" in dict(signed.headers)["authorization"]


def test_another_host_needs_its_region_said() -> None:
    origin, _ = split_url("https://proxy.example")
    at = replace(deployment(), origin=origin)
    with pytest.raises(GatewayError) as caught:
        authorize(request(at), at, NOW)
    assert caught.value.kind.type == "provider_credentials"
    assert "region" in caught.value.fix


def test_without_an_access_key_id_the_key_is_bedrocks_own() -> None:
    at = replace(deployment(), options={})
    headers = dict(authorize(request(at), at).headers)
    assert headers["authorization"] == f"Bearer {SECRET}"


def test_signing_without_the_time_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="time"):
        authorize(request(deployment()), deployment())


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "callgate.providers.sigv4", None)
    with pytest.raises(GatewayError) as caught:
        authorize(request(deployment()), deployment(), NOW)
    assert "callgate[bedrock]" in caught.value.fix


def test_no_secret_shows_itself() -> None:
    at = deployment(token="session-token-of-a-role")
    assert "session-token" not in repr(at)
    assert SECRET not in repr(at)
