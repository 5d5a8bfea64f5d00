"""`GET /v1/models` and `GET /v1/models/{id}`."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import httpx
import jsonschema
import pytest
from starlette.applications import Starlette

from callgate.core.directory import Directory
from callgate.core.http import Origin
from callgate.core.models import Absent, Deployment, Model, Vendor
from callgate.core.price import Price
from callgate.core.secret import Secret
from callgate.errors import GatewayError
from callgate.web.models import Models
from callgate.web.openapi.document import document

SECRET = "sk-test-provider-key"


def deployment(provider: str, upstream_model: str) -> Deployment:
    return Deployment(
        id=f"{provider}/{upstream_model}",
        provider=f"my-{provider}",
        vendor=Vendor(name=provider, dialect="openai"),
        upstream_model=upstream_model,
        origin=Origin("https", "upstream.example", 443),
        path="/v1",
        secret=Secret(SECRET),
    )


FULL = Model(
    name="gpt-4.1",
    deployments=(deployment("openai", "gpt-4.1"), deployment("azure", "our-gpt")),
    display_name="GPT-4.1",
    description="For tests.",
    creator="OpenAI",
    context_length=1_047_576,
    max_output_tokens=32_768,
    regions=("us", "eu"),
    rate_limit=60,
    input_modalities=("text", "image"),
    supported_parameters=("temperature", "tools"),
    default_parameters={"temperature": 1},
    created=1_744_588_800,
    retirement_date=date(2027, 1, 1),
    successor="gpt-6-sol",
)
BARE = Model(name="org/some-model", deployments=(deployment("vllm", "some-model"),))


def directory() -> Directory:
    absent = {
        "gpt-4-32k": Absent(name="gpt-4-32k", retired=True, successor="gpt-4.1"),
        "eu-only": Absent(name="eu-only", regions=("eu",)),
    }
    return Directory(
        {model.name: model for model in (FULL, BARE)}, absent, region="us", endpoints={}
    )


async def get(models: Models, path: str) -> httpx.Response:
    app = Starlette(routes=models.routes())
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
        return await client.get(path)


def check(body: Any, schema: str) -> None:
    whole = document(version="0", region="us", max_body_bytes=1000)
    components = {"components": whole["components"]}
    validator = jsonschema.Draft202012Validator(
        {"$ref": f"#/components/schemas/{schema}", **components}
    )
    validator.validate(body)


async def test_list_has_the_fields_of_openai_and_the_documented_ones() -> None:
    response = await get(Models(directory()), "/v1/models")
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    body = response.json()
    check(body, "ModelList")
    assert body["object"] == "list"
    first = body["data"][0]
    assert (first["id"], first["object"], first["owned_by"]) == ("gpt-4.1", "model", "OpenAI")
    assert first["created"] == 1_744_588_800
    assert first["name"] == "GPT-4.1"
    assert first["context_length"] == 1_047_576
    assert first["top_provider"]["max_completion_tokens"] == 32_768
    assert first["supported_parameters"] == ["temperature", "tools"]
    assert first["default_parameters"] == {"temperature": 1.0}
    assert first["retirement_date"] == 1_798_761_600
    assert first["successor"] == "gpt-6-sol"
    assert first["available_regions"] == ["us", "eu"]
    assert first["providers"] == [
        {"id": "my-openai", "name": "my-openai"},
        {"id": "my-azure", "name": "my-azure"},
    ]
    assert first["default_provider"] == first["providers"][0]


async def test_a_model_without_facts_still_has_every_field() -> None:
    body = (await get(Models(directory()), "/v1/models/org/some-model")).json()
    check(body, "ModelObject")
    assert body["name"] == "org/some-model"
    assert body["owned_by"] == "my-vllm"
    assert body["retirement_date"] == 0
    assert body["pricing"] == {
        "global": {"prompt": 0.0, "completions": 0.0},
        "known": False,
        "tiered": False,
    }


@pytest.mark.parametrize("region", ["us", "eu", "apac"])
async def test_who_minds_where_a_request_is_processed_sees_what_that_costs(region: str) -> None:
    near, far = deployment("bedrock", "us.claude"), deployment("bedrock", "global.claude")
    ways = (near, replace(far, worldwide=True))
    model = Model(name="claude", deployments=ways, worldwide=True)
    models = Models(Directory({"claude": model}, {}, region=region, endpoints={}))
    rates = {"us.claude": 3.3, "global.claude": 3.0}
    models.price(lambda to: Price(input=rates[to.deployment.upstream_model], output=15.0))
    body = (await get(models, "/v1/models/claude")).json()
    check(body, "ModelObject")
    pricing = body["pricing"]
    assert pricing.pop("global") == {"prompt": 3.0, "completions": 15.0}
    own = {region: {"prompt": 3.3, "completions": 15.0}} if region != "apac" else {}
    assert pricing == {"known": True, "tiered": False, **own}


async def test_prices_appear_once_they_are_given() -> None:
    models = Models(directory())
    assert models.price_refs() == [
        ("openai", "gpt-4.1"),
        ("azure", "our-gpt"),
        ("vllm", "some-model"),
    ]
    before = (await get(models, "/v1/models/gpt-4.1")).json()
    models.price(
        lambda target: (
            Price(input=2, output=8, cached_input=0.5, cache_write=2.5, cache_write_1h=4)
            if target.deployment.upstream_model == "gpt-4.1"
            else None
        )
    )
    after = (await get(models, "/v1/models/gpt-4.1")).json()
    assert before["pricing"]["known"] is False
    check(after, "ModelObject")
    assert after["pricing"]["known"] is True
    assert after["pricing"]["global"] == {
        "prompt": 2.0,
        "completions": 8.0,
        "input_cache_read": 0.5,
        "input_cache_write": 2.5,
        "input_cache_write_1h": 4.0,
    }
    assert (await get(models, "/v1/models")).json()["data"][0] == after


@pytest.mark.parametrize("path", ["/v1/models/org/some-model", "/v1/models/org%2Fsome-model"])
async def test_ids_may_contain_slashes(path: str) -> None:
    assert (await get(Models(directory()), path)).json()["id"] == "org/some-model"


async def test_an_unknown_model_offers_the_nearest_names() -> None:
    with pytest.raises(GatewayError, match=r"gpt-4\.1") as caught:
        await get(Models(directory()), "/v1/models/gpt4.1")
    assert caught.value.kind.type == "model_not_found"


async def test_a_retired_model_names_its_successor() -> None:
    with pytest.raises(GatewayError, match=r"successor is 'gpt-4\.1'") as caught:
        await get(Models(directory()), "/v1/models/gpt-4-32k")
    assert caught.value.kind.type == "model_retired"


async def test_a_model_of_another_region_is_told_apart() -> None:
    with pytest.raises(GatewayError) as caught:
        await get(Models(directory()), "/v1/models/eu-only")
    assert caught.value.kind.type == "model_not_in_region"


async def test_nothing_of_the_operators_account_is_shown() -> None:
    text = (await get(Models(directory()), "/v1/models")).text
    assert SECRET not in text
    assert "upstream.example" not in text
    assert "our-gpt" not in text
