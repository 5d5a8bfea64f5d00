"""The day on which the tests' configurations are read."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def _dated(before_retirements: None) -> None:
    """Whatever the catalogue says of the models' ends."""
