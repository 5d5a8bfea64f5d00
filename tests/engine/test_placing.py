"""Where a request may be processed."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any, cast

import pytest

from callgate.core.directory import Directory
from callgate.core.http import Origin
from callgate.core.models import Deployment, Model, Vendor
from callgate.core.secret import Secret
from callgate.core.validate import parse_chat
from callgate.engine.admission import Admission
from callgate.engine.checkers import Checkers
from callgate.engine.metering import Metering
from callgate.errors import GatewayError
from callgate.store.base import Key
from callgate.store.counters.memory import MemoryCounters

HERE = Deployment(
    id="p/here",
    provider="p",
    vendor=Vendor(name="p", dialect="openai"),
    upstream_model="here",
    origin=Origin("http", "localhost", 1),
    path="",
    secret=Secret(""),
)
ANYWHERE = replace(HERE, id="p/anywhere", upstream_model="anywhere", worldwide=True)
BOTH = Model(name="both", deployments=(HERE, ANYWHERE), worldwide=True)
ONE = Model(name="one", deployments=(HERE,))
KEY = Key(id="k", digest=b"", hint="", name="k", account="acme", created=0, region="us")


def chosen(**asked: Any) -> list[list[str]]:
    """The deployments that each candidate is left with."""
    counters = MemoryCounters()
    metering = Metering(counters, {}, [BOTH, ONE], lambda _target: None, warn_at=0.8)
    directory = Directory({"both": BOTH, "one": ONE}, {}, region="us", endpoints={})
    admission = Admission(directory, counters, "us", cast("Checkers", None), metering)
    request = parse_chat(json.dumps({"prompt": "x", **asked}).encode())
    candidates = admission.candidates(KEY, request, directory.find(asked["model"]))
    return [[one.upstream_model for one in each.model.deployments] for each in candidates]


@pytest.mark.parametrize("region", [{}, {"model_region": "us"}, {"model_region": "US"}])
def test_a_request_stays_in_the_region(region: dict[str, str]) -> None:
    assert chosen(model="both", **region) == [["here"]]
    assert chosen(model="one", **region) == [["here"]]


@pytest.mark.parametrize("region", ["global", "GLOBAL"])
def test_a_request_goes_anywhere_if_it_says_so(region: str) -> None:
    assert chosen(model="both", model_region=region) == [["anywhere"]]
    assert chosen(model="one", model_region=region) == [["here"]]


def test_a_fallback_goes_where_its_own_request_may() -> None:
    fallbacks = [{"model": "both"}, {"model": "both", "model_region": "us"}]
    found = chosen(model="one", model_region="global", fallbacks=fallbacks)
    assert found == [["here"], ["anywhere"], ["here"]]


def test_another_region_is_refused_with_what_may_be_asked_for() -> None:
    with pytest.raises(GatewayError) as raised:
        chosen(model="both", model_region="eu")
    assert raised.value.kind.type == "model_not_in_region"
    assert 'set it to "global"' in raised.value.fix
