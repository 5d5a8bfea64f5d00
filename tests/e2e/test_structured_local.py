"""Structured outputs of a real model: whatever it says, an answer conforms or is an error.

A dozen of the fifty schemas by default, natively and by instructions; all of them with
`pytest -m full`.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import jsonschema
import openai
import pytest
from pydantic import BaseModel, Field

from callgate.local.model import SMOLLM2, installed
from fifty import CASES, Case
from gateway import Gateway, serving
from wire import CHAT

pytestmark = pytest.mark.skipif(not installed(), reason="the extra `local` is not installed")
PATH = CHAT.decode()
CONFIG = f"""
[providers.local]
dialect = "local"
[models.native]
provider = "local"
upstream_model = "{SMOLLM2.name}"
context_length = 8192
rate_limit = 100000
[models.told]
provider = "local"
upstream_model = "{SMOLLM2.name}"
context_length = 8192
rate_limit = 100000
supported_parameters = ["temperature", "seed", "max_tokens"]
"""
_BY_NAME = {case.name: case for case in CASES}
_NATIVE = (
    "enum", "several-types", "tuple", "array-of-objects", "ref-chain", "any-of-objects", "all-of",
    "date", "email", "unicode-keys",
)  # fmt: skip
_TOLD = ("const-beside", "array-at-the-top")


@pytest.fixture(scope="module")
def gateway(weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    folder = tmp_path_factory.mktemp("structured")
    data = folder / "callgate-data"
    data.mkdir()
    (data / weights.name).symlink_to(weights)
    (folder / "callgate.toml").write_text(CONFIG)
    with serving(folder) as running:
        yield running


def ask(gateway: Gateway, model: str, case: Case, **fields: Any) -> str:
    """What became of a strict request: `conforms`, `length`, or the type of a clean error."""
    form = {"name": case.name, "schema": case.schema, "strict": True}
    body = {
        "model": model,
        "messages": [{"role": "user", "content": case.question}],
        "max_tokens": 120,
        "temperature": 0,
        "response_format": {"type": "json_schema", "json_schema": form},
        **fields,
    }
    with gateway.client() as client:
        client.timeout = 120
        response = client.post(PATH, json=body)
    told = response.json()
    if response.status_code != 200:
        assert (response.status_code, told["error"]["type"]) == (502, "schema_violation"), told
        assert told["error"]["metadata"]["errors"]
        return str(told["error"]["type"])
    (choice,) = told["choices"]
    if choice["finish_reason"] != "stop":
        assert choice["finish_reason"] == "length"
        return "length"
    assert conforms(case, choice["message"]["content"])
    return "conforms"


def conforms(case: Case, text: str) -> bool:
    """By another implementation than the gateway's own."""
    checker = jsonschema.Draft202012Validator.FORMAT_CHECKER
    jsonschema.Draft202012Validator(case.schema, format_checker=checker).validate(json.loads(text))
    return True


def test_there_are_fifty_different_schemas() -> None:
    assert len(_BY_NAME) == len(CASES) == 50
    assert len({json.dumps(case.schema) for case in CASES}) == 50


@pytest.mark.parametrize("name", _NATIVE)
def test_a_grammar_holds_the_model_to_the_schema(gateway: Gateway, name: str) -> None:
    assert ask(gateway, "native", _BY_NAME[name]) in ("conforms", "schema_violation")


@pytest.mark.parametrize("name", _TOLD)
def test_a_model_that_is_only_told_conforms_or_fails_cleanly(gateway: Gateway, name: str) -> None:
    ask(gateway, "told", _BY_NAME[name], max_tokens=48)


@pytest.mark.full
@pytest.mark.parametrize("model", ["native", "told"])
def test_most_of_fifty_schemas_are_kept_to_by_a_small_model(gateway: Gateway, model: str) -> None:
    most = 120 if model == "native" else 60
    outcomes = {case.name: ask(gateway, model, case, max_tokens=most) for case in CASES}
    count = Counter(outcomes.values())
    print(f"\n{model}: {dict(count)}")
    print({name: outcome for name, outcome in outcomes.items() if outcome != "conforms"})
    assert sum(count.values()) == 50
    assert count["conforms"] >= {"native": 40, "told": 15}[model]


# Clients that people use


class Person(BaseModel):
    """A person."""

    name: str = Field(max_length=12)
    age: int = Field(ge=0, le=99)
    mood: Literal["good", "bad"]


MESSAGES: Any = [{"role": "user", "content": "Invent a person."}]


@pytest.fixture
def sdk(gateway: Gateway) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{gateway.url}/v1", api_key=gateway.key, max_retries=0) as client:
        yield client


def test_the_sdk_parses_into_a_pydantic_model(sdk: openai.OpenAI) -> None:
    completion = sdk.chat.completions.parse(
        model="native", messages=MESSAGES, response_format=Person, max_tokens=80, temperature=0
    )
    person = completion.choices[0].message.parsed
    assert isinstance(person, Person)
    assert person.age <= 99


def test_a_schema_as_instructor_sends_it_gives_a_pydantic_model(sdk: openai.OpenAI) -> None:
    # Pydantic's own, not strict. Instructor itself cannot be installed beside the newest SDK.
    schema = {"name": "Person", "schema": Person.model_json_schema()}
    completion = sdk.chat.completions.create(
        model="native", messages=MESSAGES, max_tokens=80, temperature=0,
        response_format={"type": "json_schema", "json_schema": schema},
    )  # fmt: skip
    assert Person.model_validate_json(completion.choices[0].message.content or "")
