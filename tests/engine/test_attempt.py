"""One try: what it does where the request is unusual."""

from __future__ import annotations

import json
import threading
from typing import Any, cast

import pytest

from callgate.core.http import HttpRequest, Origin
from callgate.core.models import Deployment, Model, Vendor
from callgate.core.request import ChatRequest
from callgate.core.secret import Secret
from callgate.core.target import Target
from callgate.core.validate import parse_chat
from callgate.engine.attempt import Try
from callgate.engine.call import Call
from callgate.errors import GatewayError
from callgate.providers.gemini.dialect import Gemini

DEPLOYMENT = Deployment(
    id="p/m", provider="p", vendor=Vendor(name="p", dialect="gemini"), upstream_model="m",
    origin=Origin("http", "127.0.0.1", 80), path="/v1", secret=Secret(""),
)  # fmt: skip
TARGET = Target(Model(name="m", deployments=(DEPLOYMENT,)), DEPLOYMENT)


class Watched(Gemini):
    """The dialect, and who runs it."""

    def encode(self, request: ChatRequest, target: Target) -> HttpRequest:
        self.thread = threading.current_thread()
        return super().encode(request, target)


class Nobody:
    """A transport that leads nowhere."""

    async def send(self, *_: object, **__: object) -> Any:
        raise GatewayError("upstream_unreachable", "nobody is there")


@pytest.mark.parametrize(("properties", "aside"), [(2, False), (5000, True)])
async def test_many_schemas_are_encoded_while_others_are_served(
    properties: int, *, aside: bool
) -> None:
    schema = {"type": "object", "properties": {f"p{n}": {"enum": ["a"]} for n in range(properties)}}
    tool = {"type": "function", "function": {"name": "f", "parameters": schema}}
    asked = {"model": "m", "prompt": "x", "tools": [tool]}
    call = Call("id", 0.0, "POST", "/")
    one = Try(call, TARGET, cast("Any", Nobody()), cast("Any", None))
    one.dialect = watched = Watched()
    with pytest.raises(GatewayError):
        await one.send(parse_chat(json.dumps(asked).encode()))
    assert (watched.thread is not threading.current_thread()) == aside
