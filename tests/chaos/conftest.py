"""A chaos upstream that all tests of this folder share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from callgate.chaos.server import Chaos, running_chaos


@pytest.fixture(scope="session")
def chaos() -> Iterator[Chaos]:
    with running_chaos() as server:
        yield server
