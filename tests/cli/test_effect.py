"""What commands say of the configuration that they read and the one that a gateway goes by."""

from __future__ import annotations

import asyncio

import pytest

from callgate.cli.whereabouts import words
from loopserver import in_thread

from .conftest import Home
from .holding import held

CHANGED = (
    b'{"status": "degraded", "findings": [{"part": "store", "why": "away", "fix": "Look."}, '
    b'{"part": "configuration", "why": "not in effect: x.toml changed", "fix": "Send SIGHUP."}]}'
)
COMMANDS = (
    "models list",
    "models show gpt-4.1",
    "models set gpt-4.1 --rate-limit 5",
    "accounts list",
    "accounts set acme --budget-day 5",
)


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    ("answer", "noted"),
    [(CHANGED, True), (b'{"status": "ok", "findings": []}', False), (b"", False)],
    ids=["changed", "well", "silent"],
)
def test_what_the_running_gateway_has_not_loaded_is_noted(
    home: Home, command: str, answer: bytes, *, noted: bool
) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(answer), answer))
        writer.close()

    home.store().close()
    with in_thread(serve) as port, held(home.data, words(f"http://127.0.0.1:{port}")):
        result = home.run(*command.split())
    assert result.exit_code == 0
    told = f":{port} may go by other values: its configuration is not in effect: x.toml changed."
    assert (f"{told} Send SIGHUP.\n" in result.stderr) is noted
    assert "SIGHUP" not in result.stdout
