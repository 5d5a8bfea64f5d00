"""What the providers' tests are made of: targets, requests, responses."""

from __future__ import annotations

import json
from typing import Any

import msgspec
from msgspec import Raw

from callgate.core.chat import ChatBody, Message
from callgate.core.http import HttpResponse, split_url
from callgate.core.models import Deployment, Model, Vendor
from callgate.core.request import ChatRequest
from callgate.core.secret import Secret
from callgate.core.target import Target
from callgate.providers.registry import VENDORS

SECRET = "sk-planted-8f1c2d3e4b5a69788796a5b4"

Record = dict[str, Any]


def target_of(vendor: str | Vendor = "openai", *, upstream_model: str = "up-model") -> Target:
    row = VENDORS[vendor] if isinstance(vendor, str) else vendor
    origin, path = split_url(
        row.base_url.format(region=row.default_region) or "http://upstream.example/v1"
    )
    deployment = Deployment(
        id=f"{row.name}/{upstream_model}",
        provider=row.name,
        vendor=row,
        upstream_model=upstream_model,
        origin=origin,
        path=path,
        secret=Secret(SECRET),
    )
    return Target(Model(name="asked-model", deployments=(deployment,)), deployment)


def request_of(body: dict[str, Any] | bytes) -> ChatRequest:
    """A validated request with this body, as far as an OpenAI-dialect encoder looks at one."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    raw = msgspec.json.decode(data, type=dict[str, Raw])
    given = json.loads(data)
    read = {
        name: given[name]
        for name in ("prompt", "max_tokens", "max_completion_tokens", "stream")
        if given.get(name) is not None
    }
    messages = [Message(role="user", content="x")]
    if given.get("messages") is not None:
        read["messages"] = messages
    return ChatRequest(ChatBody(model="asked-model", **read), raw, messages)


def response_of(record: Record) -> HttpResponse:
    body = record["response"]["body"]
    data = body if isinstance(body, str) else json.dumps(body)
    return HttpResponse(record["response"]["status"], record["response"]["headers"], data.encode())
