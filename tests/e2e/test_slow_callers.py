"""Callers who begin to say something and fall silent: they are told so, and let go."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from gateway import Gateway, serving, until, write_config
from provider import Provider
from wire import Answer, chunked, connected, post, talk

HEALTH = b"GET /health HTTP/1.1\r\nhost: gateway\r\n\r\n"


@pytest.fixture(scope="module")
def impatient(provider: Provider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway that waits a second for anything."""
    folder = tmp_path_factory.mktemp("impatient")
    write_config(folder, provider)
    config = folder / "callgate.toml"
    short = "[server]\nbody_timeout = 1\nhead_timeout = 1\nkeep_alive = 1"
    config.write_text(config.read_text().replace("[server]", short))
    with serving(folder) as running:
        yield running


def only(found: list[Answer]) -> Answer:
    (answer,) = found
    return answer


@pytest.fixture(scope="module")
def silences(impatient: Gateway) -> dict[str, list[Answer]]:
    """What comes on connections that fall silent after this or that; they do so all at once."""
    said = {
        "body": post(impatient)[:-5],
        "chunked body": chunked(impatient, b"5\r\n{"),
        "head": b"GET /health HTTP/1.1\r\nhost: ",
        "second head": HEALTH + HEALTH[:20],
        "nothing": b"",
        "an empty line": b"\r\n\r\n",
        "a request": HEALTH,
        "a request and an empty line": HEALTH + b"\r\n",
    }
    with ThreadPoolExecutor(len(said)) as pool:
        found = pool.map(partial(talk, impatient), said.values())  # would time out
        return dict(zip(said, found, strict=True))


@pytest.mark.parametrize("said", ["body", "chunked body"])
def test_a_body_that_does_not_come(
    impatient: Gateway, silences: dict[str, list[Answer]], said: str
) -> None:
    answer = only(silences[said])
    assert (answer.status, answer.error) == (408, "request_timeout")
    assert "body" in answer.json["message"]
    assert impatient.record(answer.headers["x-request-id"])["error"] == "request_timeout"


def test_a_head_that_does_not_come(silences: dict[str, list[Answer]]) -> None:
    answer = only(silences["head"])
    assert (answer.status, answer.error) == (408, "request_timeout")
    health, late = silences["second head"]
    assert (health.status, late.status) == (200, 408)


@pytest.mark.parametrize(
    "said", ["nothing", "an empty line", "a request", "a request and an empty line"]
)
def test_an_idle_connection_is_closed(silences: dict[str, list[Answer]], said: str) -> None:
    assert [answer.status for answer in silences[said]][:1] in ([], [200], [408])


def test_dripping_does_not_keep_a_connection(impatient: Gateway) -> None:
    with connected(impatient) as connection:
        connection.sendall(b"GET /")

        def hung_up() -> bool:
            try:
                connection.sendall(b"x")
            except OSError:
                return True
            return False

        until(hung_up)
