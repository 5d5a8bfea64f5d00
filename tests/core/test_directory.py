"""Which names can be called, and what is said of the others."""

from __future__ import annotations

import pytest

from callgate.core.directory import Directory
from callgate.core.models import Absent, Model
from callgate.errors import GatewayError

NAMES = ("GPT-4.1", "gpt-4.1-mini", "gpt-4.1-nano", "gpt-4o", "claude")
ABSENT = (
    Absent(name="old", retired=True, successor="claude", regions=("eu",)),
    Absent(name="older", retired=True),
    Absent(name="far", regions=("eu", "asia")),
    Absent(name="nowhere"),
)
DIRECTORY = Directory(
    {name: Model(name=name, deployments=()) for name in NAMES},
    {one.name: one for one in ABSENT},
    region="us",
    endpoints={"eu": "https://eu.example"},
)


@pytest.mark.parametrize(
    ("name", "type_", "message"),
    [
        ("old", "model_retired", "Model 'old' has been retired; its successor is 'claude'"),
        ("older", "model_retired", "Model 'older' has been retired"),
        (
            "far",
            "model_not_in_region",
            "Model 'far' is not served in region 'us' but in: eu (https://eu.example), asia",
        ),
        ("nowhere", "model_not_found", "Model 'nowhere' is not served here"),
        ("Claud", "model_not_found", "Model 'Claud' is not served here; did you mean 'claude'?"),
        ("x" * 10_000, "model_not_found", f"Model {'x' * 256!r} is not served here"),
    ],
)
def test_what_is_said_of_a_name_that_cannot_be_called(name: str, type_: str, message: str) -> None:
    with pytest.raises(GatewayError) as told:
        DIRECTORY.find(name)
    error = told.value
    assert (error.kind.type, error.message, error.param) == (type_, message, "model")


def test_the_nearest_names_are_three_at_most_in_whatever_case() -> None:
    assert DIRECTORY.nearest("gpt-4.1")[0] == "GPT-4.1"
    assert len(DIRECTORY.nearest("gpt-4.1")) == 3


def test_replacing_models_changes_them_alone() -> None:
    changed = Model(name="claude", deployments=(), rate_limit=7)
    other = DIRECTORY.replace([changed])
    assert other.find("claude") is changed
    assert other.find("gpt-4o") is DIRECTORY.find("gpt-4o")
    assert other.absent("far") is DIRECTORY.absent("far") is ABSENT[2]
    with pytest.raises(GatewayError, match=r"'us' but in: eu \(https"):
        other.find("far")
    assert DIRECTORY.find("claude") is not changed
