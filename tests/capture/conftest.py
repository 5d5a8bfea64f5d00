"""A gateway that captures everything, in front of a provider that misbehaves in five dialects."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

import provider as providers
from callgate.capture import files
from callgate.chaos.server import running_chaos
from gateway import Gateway, serving, until
from patience import PATIENCE
from provider import Provider

CHAT = "/v1/chat/completions"
DIALECTS = {
    "openai": "/v1",
    "anthropic": "/v1",
    "gemini": "/v1beta",
    "bedrock": "",
    "cohere": "/v2",
}
FAULTS = (
    "ok", "429-retry-after-1", "500-once", "cut-mid-answer", "cut-with-terminator", "stall",
    "malformed-event", "no-done", "context-too-long", "content-filter", "200-error-2",
)  # fmt: skip
OF_OPENAI = (
    *FAULTS, "429", "503-always", "reset-before-headers", "reset-mid-answer", "silence",
    "wrong-usage", "no-such-model",
)  # fmt: skip
PROVIDER = """
[providers.{name}]
dialect = "{dialect}"
base_url = "{base_url}"
api_key = "${{TEST_PROVIDER_KEY}}"
timeouts = {{ connect = 60, headers = 60, first_token = 60, silence = 60, total = 120 }}
"""
SHORT = "timeouts = { headers = 0.5, first_token = 0.5, silence = 0.5 }\n"
"""For what is slow: the others are given so long that no busy machine makes them late."""
SLOW = ("stall", "silence", "lagging", "mumbling")
CONFIG = """
catalogue = true
[server]
drain = 2
max_body_bytes = 100000
[support]
contact = "help@example.org"
[retry]
per_target = 2
base = 0.01
[capture]
payloads = "all"
[models.limited]
provider = "plain"
upstream_model = "ok"
rate_limit = 1
fallbacks = ["plain-tools"]
[models.strict]
provider = "plain"
supported_parameters = ["max_tokens"]
rate_limit = 1
[models.metered]
provider = "plain"
upstream_model = "test-ok"
token_limit = 150
[models.priced]
provider = "plain"
upstream_model = "test-ok"
budget_day = 0.001
price = { input = 1, output = 2 }
[accounts."*"]
tokens_per_minute = 1000000000
[models.several]
deployments = [
    {provider = "openai", upstream_model = "503-always", weight = 1},
    {provider = "anthropic", upstream_model = "429", weight = 2},
    {provider = "gemini", upstream_model = "ok", weight = 3},
]
"""
HEDGED = """
[models.twofold]
hedge = true
rate_limit = 1000
deployments = [
    {provider = "plain", upstream_model = "test-lagging", weight = 1000},
    {provider = "plain", upstream_model = "test-ok", weight = 0.001},
]
"""
_WARMING = 25
WEATHER = {
    "type": "function",
    "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}},
}


@pytest.fixture(scope="session")
def capturing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway that has been asked everything there is, and has kept it all."""
    folder = tmp_path_factory.mktemp("capturing")
    with providers.running() as plain, running_chaos() as chaos:
        tables = [PROVIDER.format(name="plain", dialect="openai", base_url=plain.base_url)]
        tables += [
            PROVIDER.format(name=name, dialect=name, base_url=chaos.url + prefix)
            for name, prefix in DIALECTS.items()
        ]
        tables += [
            f'[models."{name}-{fault}"]\nprovider = "{name}"\nupstream_model = "{fault}"\n'
            + (SHORT if fault in SLOW else "")
            for name in DIALECTS
            for fault in OF_OPENAI
        ]
        tables += [
            f'[models."plain-{name}"]\nprovider = "plain"\nupstream_model = "test-{name}"\n'
            + (SHORT if name in SLOW else "")
            for name in providers.ANSWERS
        ]
        (folder / "callgate.toml").write_text(CONFIG + HEDGED + "".join(tables))
        with serving(folder) as gateway:
            asyncio.run(_learn_how_fast(gateway, plain))
            asyncio.run(_ask_everything(gateway))
            yield gateway


@pytest.fixture(scope="session")
def captures(capturing: Gateway) -> list[Path]:
    """The files of everything that was asked."""
    folder = capturing.folder / "callgate-data" / "captures"
    expected = len(asked()) + 2 * _WARMING + 2
    until(lambda: len(list(folder.rglob(f"*{files.SUFFIX}"))) >= expected)
    return sorted(folder.rglob(f"*{files.SUFFIX}"))


def asked() -> list[dict[str, Any]]:
    """Every request that the gateway is asked."""
    chats: list[dict[str, Any]] = [
        {"model": f"{name}-{fault}", "prompt": f"Tell me of {fault}.", "stream": stream}
        for name in DIALECTS
        for fault in (OF_OPENAI if name == "openai" else FAULTS)
        for stream in (False, True)
    ]
    chats += [
        {"model": f"plain-{name}", "prompt": "My key is sk-own-key-000000001", "stream": stream}
        for name in providers.ANSWERS
        if name not in ("endless", "held", "paused", "silent")
        for stream in (False, True)
    ]
    chats += [
        {"model": "plain-ok", "prompt": "x", "stream": True,
         "stream_options": {"include_usage": True}},
        {"model": "openai-ok", "prompt": "Hé!", "tools": [WEATHER]},
        {"model": "openai-503-always", "prompt": "x", "fallbacks": [{"model": "gemini-ok"}]},
        {"model": "openai-503-always", "prompt": "x", "stream": True,
         "fallbacks": [{"model": "bedrock-stall"}, {"model": "cohere-ok", "temperature": 0.5}]},
        {"model": "plain-cut", "prompt": "x", "stream": True, "fallbacks": [{"model": "plain-ok"}]},
        {"model": "plain-cut", "prompt": "x", "stream": True, "fallbacks": [{"model": "plain-ok"}],
         "fallback_config": {"mid_stream": "error"}},
        {"model": "plain-ok", "prompt": "x", "post_processing_steps": [{"type": "json-repair"}]},
        {"model": "plain-ok", "prompt": "x", "response_format": {"type": "json_schema",
         "json_schema": {"name": "a", "schema": {"type": "object"}}}},
        *({"model": "several", "prompt": "x", "user": f"{n}"} for n in range(6)),
        *({"model": "limited", "prompt": "x"} for _ in range(3)),
        *({"model": "strict", "prompt": "x"} for _ in range(2)),
        {"model": "strict", "prompt": "x", "temperature": 0.5},
        {"model": "plain-okay", "prompt": "x"},
        {"model": "plain-ok", "prompt": "x", "fallbacks": [{"model": "nothing"}]},
        {"model": "claude-2.1", "prompt": "x"},
        *({"model": "metered", "prompt": "x", "max_tokens": 50} for _ in range(4)),
        # Each draws the whole budget, so what the first has really used leaves no room for another.
        *({"model": "priced", "prompt": "x", "max_tokens": 600} for _ in range(3)),
        {"model": "plain-ok", "prompt": "x" * 100_000},
        {"model": "plain-ok", "prompt": 5, "max_tokens": 0},
        {"model": "plain-ok"},
    ]  # fmt: skip
    return chats


async def _learn_how_fast(gateway: Gateway, plain: Provider) -> None:
    """How fast a target is when it is well; then it is not, and is hedged."""
    headers = {"authorization": gateway.key}
    plain.go_on.set()
    async with httpx.AsyncClient(base_url=gateway.url, headers=headers, timeout=PATIENCE) as client:
        for stream in (False, True):
            body = {"model": "twofold", "prompt": "x", "stream": stream}
            for _ in range(_WARMING):
                await client.post(CHAT, json=body)
        plain.go_on.clear()
        plain.left.clear()
        for stream in (False, True):
            await client.post(CHAT, json={"model": "twofold", "prompt": "x", "stream": stream})


async def _ask_everything(gateway: Gateway) -> None:
    headers = {"authorization": gateway.key}
    limit = asyncio.Semaphore(100)
    async with httpx.AsyncClient(base_url=gateway.url, headers=headers, timeout=PATIENCE) as client:

        async def ask(body: dict[str, Any]) -> None:
            async with limit:
                await client.post(CHAT, content=json.dumps(body))

        await asyncio.gather(*(ask(body) for body in asked()))
