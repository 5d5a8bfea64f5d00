"""Error bodies, with the operator's own contact and links in them."""

from __future__ import annotations

import re

from msgspec import Struct

from callgate.core.mislaid import conceal
from callgate.core.present import DOCS_PATH, error_json
from callgate.engine.call import Call
from callgate.errors import GatewayError

_HOST = re.compile(rb"(?:[A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")


class ErrorWriter(Struct, frozen=True, kw_only=True):
    """What errors say besides the failure. An empty `docs_url` links to this gateway's own pages.

    That link is built from the `Host` that the caller itself sent, and from `X-Forwarded-Proto` if
    a proxy that terminates TLS sends it; only that caller sees it.
    """

    contact: str = ""
    status_url: str = ""
    docs_url: str = ""

    def body(self, call: Call, error: GatewayError) -> bytes:
        """The failure of a call, as a body or as the last event of a stream."""
        conceal(error)
        return error_json(
            error,
            request_id=call.request_id,
            attempts=call.attempts,
            support_contact=self.contact,
            status_url=self.status_url,
            docs_url=self.docs_url or _own_pages(call),
        )


def _own_pages(call: Call) -> str:
    host = call.headers.get(b"host", b"")
    if not _HOST.fullmatch(host):
        return DOCS_PATH
    secure = call.headers.get(b"x-forwarded-proto") == b"https"
    return f"{'https' if secure else 'http'}://{host.decode()}{DOCS_PATH}"
