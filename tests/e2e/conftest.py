"""One provider and one gateway for all end-to-end tests of a process."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

import provider as providers
from gateway import Gateway, serving, write_config
from provider import Provider


@pytest.fixture(scope="session")
def provider() -> Iterator[Provider]:
    with providers.running() as running:
        yield running


@pytest.fixture(autouse=True)
def _held(provider: Provider) -> None:
    """Whatever ran before, the provider holds what it is to hold until a test lets it go on."""
    provider.go_on.clear()


@pytest.fixture(scope="session")
def gateway(provider: Provider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    folder = tmp_path_factory.mktemp("gateway")
    write_config(folder, provider, wait=1.5)
    with serving(folder, afresh=True) as running:
        yield running


@pytest.fixture
def client(gateway: Gateway) -> Iterator[httpx.Client]:
    with gateway.client() as client:
        yield client
