"""Who may read the figures."""

from __future__ import annotations

from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from callgate.core.secret import Secret
from callgate.errors import GatewayError
from callgate.metrics.sheets import Sheet
from callgate.metrics.tally import Series
from callgate.web.metrics import Metrics


def client(folder: Path | None, token: str = "") -> TestClient:
    return TestClient(Starlette(routes=Metrics(folder, Secret(token)).routes()))


def test_without_a_token_everybody_may_read_the_metrics(tmp_path: Path) -> None:
    Sheet(tmp_path, "worker").write({"callgate_workers": [Series((), 1)]})
    assert "callgate_workers 1.0" in client(tmp_path).get("/metrics").text


def test_with_a_token_only_who_bears_it(tmp_path: Path) -> None:
    asking = client(tmp_path, "tökén")
    assert (
        asking.get("/metrics", headers={"Authorization": "Bearer tökén".encode()}).status_code
        == 200
    )
    for given in ({}, {"Authorization": "Bearer no"}, {"Authorization": "Bearer "}):
        with pytest.raises(GatewayError) as caught:
            asking.get("/metrics", headers=given)
        assert caught.value.kind.type == "unauthorized"


def test_switched_off_there_is_no_such_path() -> None:
    assert Metrics(None, Secret("")).routes() == []
