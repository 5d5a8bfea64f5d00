"""`GET /health` and `GET /ready`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx
import jsonschema
import pytest
from starlette.applications import Starlette

from callgate.engine.call import Call
from callgate.errors import GatewayError
from callgate.web.openapi.document import document
from callgate.web.shapes import Finding
from callgate.web.status import Check, Status


async def authenticate(call: Call, headers: Mapping[bytes, bytes], query: bytes) -> None:
    if headers[b"authorization"] != b"a key":
        raise GatewayError("unauthorized", "no key")


async def get(
    path: str, *checks: Check, peer: str = "127.0.0.1", headers: Mapping[str, str] | None = None
) -> httpx.Response:
    cold = Starlette(routes=Status(checks, authenticate).routes())

    async def app(scope: Any, receive: Any, send: Any) -> None:
        scope["state"] = {"call": Call("id", 0.0, "GET", path)}
        scope["server"] = ("192.0.2.1", 80)
        await cold(scope, receive, send)

    transport = httpx.ASGITransport(app=app, client=(peer, 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
        response = await client.get(path, headers=headers)
    components = document(version="0", region="us", max_body_bytes=1000)["components"]
    schema = {"/health": "Health", "/ready": "Readiness"}[path]
    validator = jsonschema.Draft202012Validator(
        {"$ref": f"#/components/schemas/{schema}", "components": components}
    )
    validator.validate(response.json())
    return response


def well() -> Finding:
    return Finding(part="store")


def lagging() -> Finding:
    return Finding(part="shipper", state="degraded", why="It lags.", fix="Look at the store.")


def dead() -> Finding:
    return Finding(part="journal", state="down", why="The disk is full.", fix="Free some space.")


def broken() -> Finding:
    raise ConnectionError("postgresql://user:secret@db")


async def test_health_is_ok_whatever_the_checks_say() -> None:
    response = await get("/health", dead, broken)
    assert response.status_code == 200
    assert response.json() == {"status": "ok"}


async def test_ready_when_all_parts_are_well() -> None:
    response = await get("/ready", well, well)
    assert response.status_code == 200
    assert response.json() == {"status": "ok", "findings": []}


async def test_ready_without_any_checks() -> None:
    assert (await get("/ready")).json()["status"] == "ok"


async def test_degraded_parts_are_named_but_the_gateway_stays_ready() -> None:
    response = await get("/ready", well, lagging)
    assert response.status_code == 200
    assert response.json() == {
        "status": "degraded",
        "findings": [
            {
                "part": "shipper",
                "state": "degraded",
                "why": "It lags.",
                "fix": "Look at the store.",
            }
        ],
    }


async def test_a_path_that_is_not_utf_8_is_told_with_escapes() -> None:
    def strange() -> Finding:
        return Finding(part="configuration", state="degraded", why="/caf\udce9", fix="\udcff")

    response = await get("/ready", strange)
    (finding,) = response.json()["findings"]
    assert (finding["why"], finding["fix"]) == ("/caf\\udce9", "\\udcff")


async def test_a_part_that_is_down_comes_first_and_makes_it_503() -> None:
    response = await get("/ready", lagging, dead)
    assert response.status_code == 503
    assert response.json()["status"] == "down"
    assert [one["part"] for one in response.json()["findings"]] == ["journal", "shipper"]


async def test_a_check_that_fails_is_a_finding_without_its_words() -> None:
    response = await get("/ready", broken)
    assert response.status_code == 503
    assert response.json()["findings"][0]["part"] == "broken"
    assert "ConnectionError" in response.text
    assert "secret" not in response.text


@pytest.mark.parametrize(
    ("peer", "headers", "told"),
    [
        ("127.0.0.1", {}, True),
        ("::1", {}, True),
        ("192.0.2.1", {}, True),  # the gateway's own address
        ("192.0.2.2", {}, False),
        ("192.0.2.2", {"authorization": "a key"}, True),
        ("192.0.2.2", {"authorization": "another"}, False),
        ("127.0.0.1", {"x-forwarded-for": "192.0.2.2"}, False),
        ("127.0.0.1", {"x-forwarded-for": "192.0.2.2", "authorization": "a key"}, True),
        ("a socket", {}, False),
    ],
)
async def test_strangers_are_told_which_parts_are_not_well_and_no_more(
    peer: str, headers: dict[str, str], told: bool
) -> None:
    response = await get("/ready", lagging, dead, peer=peer, headers=headers)
    assert response.status_code == 503
    found = response.json()["findings"]
    assert [one["part"] for one in found] == ["journal", "shipper"]
    assert [one["state"] for one in found] == ["down", "degraded"]
    assert ("The disk is full." in response.text) == told
    assert all(one["why"] and one["fix"] for one in found)
