"""Whose request it is."""

from __future__ import annotations

import time
from typing import cast

from callgate.core.keys import digest, mint
from callgate.engine.call import Call
from callgate.errors import GatewayError
from callgate.store.base import Key, Keys
from callgate.web.authentication import Authenticator
from callgate.web.keyring import Keyring

LIVE, DEAD, UNKNOWN = (mint("us", byte * 20) for byte in (b"l", b"d", b"u"))


class Stored:
    """Keys as a store has them."""

    def __init__(self) -> None:
        self.keys: dict[bytes, Key] = {}

    def add(self, text: str, expires: int | None = None) -> None:
        key = Key(
            id=text[-6:], digest=digest(text), hint="", name="", account="acme", region="us",
            created=0, expires=expires,
        )  # fmt: skip
        self.keys[key.digest] = key

    def version(self) -> int:
        return 1

    def all(self) -> list[Key]:
        return list(self.keys.values())

    def find(self, digest: bytes) -> Key | None:
        return self.keys.get(digest)


async def test_a_live_key_is_found_again_and_a_dead_one_noted_with_its_refusal() -> None:
    store = Stored()
    store.add(LIVE)
    store.add(DEAD, expires=5)
    ring = Keyring(cast("Keys", store))
    ring.load()
    authenticator = Authenticator(ring, "us", {"eu": "https://eu.example"})

    async def asked(value: str) -> Call:
        call = Call("id", time.time(), "POST", "/")
        headers = {b"authorization": value.encode()} if value else {}
        try:
            assert await authenticator.key(call, headers, b"key=x") is call.key
        except GatewayError as error:
            call.error = error
        return call

    def told(call: Call) -> tuple[str | None, str | None]:
        return call.key and call.key.id, call.error and call.error.kind.type

    for _ in range(2):  # the second time it is known by its header
        assert told(await asked(f"Bearer {LIVE}")) == (LIVE[-6:], None)
    assert ring.known(f"Bearer {LIVE}".encode()) is ring.cached(digest(LIVE))
    assert told(await asked(DEAD)) == (DEAD[-6:], "unauthorized")
    assert told(await asked(UNKNOWN)) == (None, "unauthorized")
    elsewhere = await asked(mint("eu", b"l" * 20))
    assert told(elsewhere) == (None, "wrong_region_key")
    assert elsewhere.error is not None
    assert elsewhere.error.message.endswith("Its endpoint is https://eu.example.")
    without = await asked("")
    assert told(without) == (None, "unauthorized")
    assert without.error is not None
    assert "query string is never" in without.error.fix
    store.add(UNKNOWN)
    ring._misses.clear()
    assert told(await asked(UNKNOWN)) == (UNKNOWN[-6:], None)
