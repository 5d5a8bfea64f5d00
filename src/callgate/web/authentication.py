"""Authentication: from a request's headers to the valid key."""

from __future__ import annotations

from collections.abc import Mapping

from callgate.core.keys import digest
from callgate.engine.call import Call
from callgate.errors import GatewayError
from callgate.store.base import Key
from callgate.web.credentials import check_region, read_key
from callgate.web.keyring import Keyring


class Authenticator:
    """Finds callers' keys. Errors for keys of other regions name their `region_endpoints`."""

    def __init__(self, keyring: Keyring, region: str, region_endpoints: Mapping[str, str]) -> None:
        self._keyring = keyring
        self._region = region
        self._region_endpoints = region_endpoints

    async def key(self, call: Call, headers: dict[bytes, bytes], query: bytes) -> Key:
        """The live key of a request, noted on its call.

        Raises GatewayError `unauthorized`, `wrong_region_key` or `keys_unavailable`. An expired or
        revoked key is noted, too, so that the record has its account.
        """
        header = headers.get(b"authorization", b"")
        known = self._keyring.known(header)
        if known is not None:
            call.key = known
            return known
        text = read_key(headers, query)
        check_region(text, self._region, self._region_endpoints)
        hashed = digest(text)
        try:
            key = await self._keyring.find(hashed)
        except GatewayError:
            call.key = self._keyring.dead(hashed)
            raise
        self._keyring.learn(header, key)
        call.key = key
        return key
