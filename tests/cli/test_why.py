"""`callgate why`: the newest failure, or one request, told as `callgate show` tells it."""

from __future__ import annotations

from collections.abc import Callable

import samples

from .conftest import Home


def test_the_newest_failure_wherever_it_is(home: Home, journal: Callable[..., None]) -> None:
    older, newer = samples.failed(ago_ms=9000), samples.refused(ago_ms=5000)
    lookup = samples.refused(path="/v1/requests/x", status=404, error="request_not_found")
    home.ship(older, samples.answered())
    assert home.run("why", "--last-error").stdout == home.run("show", older.request_id).stdout
    journal(newer, samples.answered(), lookup)
    (found,) = home.json("why", "--last-error")
    assert found["request_id"] == newer.request_id
    assert found["explanation"]["outcome"] == "refused"
    (found,) = home.json("why", "--account", "acme")
    assert found["request_id"] == older.request_id
    assert home.json("why", "--model", "gpt-4.1")[0]["request_id"] == older.request_id


def test_one_request_by_its_id(home: Home) -> None:
    record = samples.cut()
    home.ship(record)
    assert home.run("why", record.request_id).stdout.startswith("CUT  502 upstream_cut")


def test_nothing_failed(home: Home) -> None:
    home.ship(samples.answered())
    result = home.run("why", "--last-error")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("callgate: no failure is on record\n")


def test_it_has_to_be_said_which(home: Home) -> None:
    for arguments in ((), ("0199aaaa", "--last-error")):
        result = home.run("why", *arguments)
        assert result.exit_code == 2
        assert "say which request" in result.stderr
