"""Every asynchronous test of this folder runs on both event loops."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import replace

import pytest
import uvloop

from callgate.core.models import Timeouts
from callgate.upstream.client import Client, UpstreamSettings
from upstream.asking import PATIENT, Ask


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    return {"uvloop": uvloop.new_event_loop, "asyncio": asyncio.new_event_loop}


@pytest.fixture
async def ask() -> AsyncIterator[Callable[..., Ask]]:
    """Make callers, each with a client of its own settings; they are closed after the test."""
    made: list[Ask] = []

    def make(**settings: object) -> Ask:
        made.append(Ask(Client(UpstreamSettings(**settings))))
        return made[-1]

    yield make
    for each in made:
        await each.client.aclose()


@pytest.fixture
def quick_silence() -> Timeouts:
    return replace(PATIENT, silence=0.05, first_token=0.05)
