"""Overrides laid over a configuration: what takes effect, and what is passed over and told."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from callgate.config import Config, load
from callgate.config.bound import bind_local
from callgate.config.overlay import overlaid
from callgate.core.http import Origin
from callgate.core.override import Override
from callgate.core.price import Price
from callgate.core.secret import Secret
from callgate.errors import GatewayError

FILE = """
[providers.openai]
api_key = "sk-planted-provider-key"
[providers.near]
dialect = "openai"
base_url = "http://127.0.0.1:1/v1"
[providers.local]
dialect = "local"
[models."gpt-4.1"]
token_limit = 5000
fallbacks = ["split"]
[models.split]
deployments = [{provider = "openai", weight = 3}, {provider = "near", upstream_model = "n"}]
[models.own]
provider = "local"
[accounts."*"]
budget_month = 100
[accounts.acme]
tokens_per_minute = 10
"""


@pytest.fixture
def config(tmp_path: Path) -> Config:
    file = tmp_path / "callgate.toml"
    file.write_text(FILE)
    return load(file, {})


def model(name: str, **settings: Any) -> Override:
    return Override(kind="model", name=name, settings=json.dumps(settings), changed=1)


def account(name: str, **settings: Any) -> Override:
    return Override(kind="account", name=name, settings=json.dumps(settings), changed=1)


def test_without_overrides_it_is_the_configuration_itself(config: Config) -> None:
    found = overlaid(config, [])
    assert found.config.models is config.models
    assert not found.passed


def test_a_setting_takes_the_place_of_one_and_the_rest_stays(config: Config) -> None:
    override = model("gpt-4.1", rate_limit=7, token_limit=None, price={"input": 1, "output": 2})
    found = overlaid(config, [override]).config.models["gpt-4.1"]
    plain = config.models["gpt-4.1"]
    assert (found.rate_limit, found.token_limit) == (7, None)
    assert found.price == Price(input=1, output=2)
    assert found.fallbacks == plain.fallbacks
    assert [one.id for one in found.deployments] == [one.id for one in plain.deployments]
    assert (found.description, plain.rate_limit) == (plain.description, 30)


def test_a_provider_takes_the_place_of_all_ways(config: Config) -> None:
    found = overlaid(config, [model("split", provider="near"), model("gpt-4.1", provider="near")])
    ids = {
        name: [one.id for one in found.config.models[name].deployments]
        for name in ("split", "gpt-4.1")
    }
    assert ids == {"split": ["near/split"], "gpt-4.1": ["near/gpt-4.1"]}


def test_new_models_may_fall_back_on_each_other(config: Config) -> None:
    one = model("one", provider="near", fallbacks=["other"])
    other = model("other", provider="openai", upstream_model="x", fallbacks=["one", "gpt-4.1"])
    found = overlaid(config, [one, other])
    assert not found.passed
    assert {"one", "other"} <= found.config.models.keys()


def test_a_model_is_retired_or_not_offered(config: Config) -> None:
    gone = model("gpt-4.1", retirement_date="2020-01-31", successor="split")
    found = overlaid(config, [gone, model("split", offered=False)]).config
    for name, kind, words in (
        ("gpt-4.1", "model_retired", "'split'"),
        ("split", "model_not_found", "not served here"),
    ):
        with pytest.raises(GatewayError, match=words) as caught:
            found.directory.find(name)
        assert caught.value.kind.type == kind
    later = overlaid(config, [model("gpt-4.1", retirement_date="2999-01-31")]).config
    assert later.models["gpt-4.1"].retirement_date == date(2999, 1, 31)


def test_an_account_begins_as_everyone_and_keeps_the_rest_of_its_own(config: Config) -> None:
    overrides = [
        account("new", budget_day=5),
        account("acme", tokens_per_minute=None, budget_day=1),
        account("*", tokens_per_minute=99),
    ]
    allowances = overlaid(config, overrides).config.allowances
    told = {
        name: (one.tokens_per_minute, one.budget_day, one.budget_month)
        for name, one in allowances.items()
    }
    assert told == {
        "*": (99, None, 100.0),
        "acme": (None, 1.0, None),
        "new": (99, 5.0, 100.0),
    }


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (model("x", provider="gone"), "models.x.provider: no provider 'gone' is configured"),
        (model("x"), "models.x.provider: needed"),
        (model("gpt-4.1", rate_limit=0), "models.gpt-4.1.rate_limit: must be at least 1, got 0"),
        (model("gpt-4.1", rate_limit=None), "models.gpt-4.1.rate_limit"),
        (model("gpt-4.1", rat_limit=1), "models.gpt-4.1.rat_limit: no such setting"),
        (model("gpt-4.1", price={"input": 1}), "missing required field 'price.output'"),
        (model("gpt-4.1", fallbacks=["gpt-4.1"]), "cannot be its own fallback"),
        (model("gpt-4.1", fallbacks=["nil"]), "no model 'nil' is configured or known"),
        (model("gpt-4.1", timeouts={"total": 1, "headers": 2}), "models.gpt-4.1.timeouts.headers"),
        (account("acme", budget_day=0), "acme.budget_day: must be at least 0.000001, got 0"),
        (model("gpt-4.1", budget_day=1e-10), "budget_day: must be at least 0.000001, got 1e-10"),
        (Override(kind="model", name="x", settings="[1]", changed=1), "models.x: expected"),
        (Override(kind="model", name="x", settings="{", changed=1), "models.x: is no JSON"),
        (Override(kind="model", name="x", settings='"' + "x" * 70_000 + '"', changed=1), "64 KiB"),
        (Override(kind="what", name="x", settings="{}", changed=1), "no overrides of the kind"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_passed_over_and_all_else_holds(
    config: Config, bad: Override, why: str
) -> None:
    found = overlaid(config, [bad, model("split", rate_limit=7), account("else", budget_day=2)])
    assert found.config.models["split"].rate_limit == 7
    assert found.config.allowances["else"].budget_day == 2
    (passed,) = found.passed
    assert (passed.kind, passed.name) == (bad.kind, bad.name)
    assert why in " ".join(passed.why)
    assert bad.name not in found.of("model") or bad.kind != "model"
    assert found.config.models["gpt-4.1"] is config.models["gpt-4.1"]


def test_what_leads_to_a_model_that_is_passed_over_is_so_too(config: Config) -> None:
    found = overlaid(
        config, [model("x", provider="gone"), model("y", provider="near", fallbacks=["x"])]
    )
    assert {one.name for one in found.passed} == {"x", "y"}
    assert found.config.models == config.models


def test_models_of_the_local_provider_lead_to_its_running_server(config: Config) -> None:
    bound = bind_local(config, Origin("http", "127.0.0.1", 4711), Secret("key-of-the-process"))
    found = overlaid(bound, [model("more", provider="local"), model("own", rate_limit=9)]).config
    for name in ("more", "own"):
        (deployment,) = found.models[name].deployments
        assert deployment.origin.port == 4711
        assert deployment.secret.reveal() == "key-of-the-process"
    assert found.models["own"].rate_limit == 9
