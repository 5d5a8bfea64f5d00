"""`callgate serve`: the address that it listens on."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from callgate.cli.options import ConfigFailure
from callgate.cli.serve import listen
from callgate.config import load


@pytest.mark.parametrize(
    ("host", "told"),
    [
        ("", "cannot listen on :0: not a valid host name"),  # to the system, it is every address
        ("caf\udce9", "cannot listen on caf\\udce9:0: not a valid host name"),
        ("192.0.2.1", "cannot listen on 192.0.2.1:0: Cannot assign requested address"),
    ],
)
def test_what_is_no_address_of_this_machine_is_told(tmp_path: Path, host: str, told: str) -> None:
    file = tmp_path / "callgate.toml"
    file.touch()
    config = load(file, {})
    server = msgspec.structs.replace(config.settings.server, host=host, port=0)
    settings = msgspec.structs.replace(config.settings, server=server)
    with pytest.raises(ConfigFailure) as caught:
        listen(msgspec.structs.replace(config, settings=settings))
    assert caught.value.message == told
