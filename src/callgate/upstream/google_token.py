"""Access tokens for Vertex AI, through `google-auth` (the extra `vertex`).

https://cloud.google.com/docs/authentication/rest
"""

from __future__ import annotations

import asyncio
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from datetime import UTC
from email.message import Message
from typing import TYPE_CHECKING, Any, NamedTuple

from callgate.core.redact import redact
from callgate.core.secret import Secret
from callgate.errors import GatewayError

if TYPE_CHECKING:
    from google.auth.credentials import Credentials

SCOPES = ("https://www.googleapis.com/auth/cloud-platform",)

EARLY = 300.0
"""Seconds before its expiry from which a token is renewed."""
LATE = 30.0
"""Seconds before its expiry from which a token is no longer used."""
PAUSE = 5.0
"""Seconds after a failure in which no other attempt is made."""
TIMEOUT = 10.0
MAX_BYTES = 1 << 20


class GoogleToken:
    """The current access token of one set of credentials; safe for many tasks of one loop.

    `credentials_file` is a service account's key; without one, credentials are found as Google's
    own tools find them (https://cloud.google.com/docs/authentication/application-default-credentials).
    `clock` is Unix seconds, and goes on while the machine sleeps; `steady` is seconds of a clock
    that nobody sets back, which would make a token good for longer, and a failure last.
    """

    __slots__ = (
        "_clock", "_credentials", "_expires", "_failed", "_file", "_lock", "_steady", "_token",
        "_until",
    )  # fmt: skip

    def __init__(
        self,
        credentials_file: str = "",
        clock: Callable[[], float] = time.time,
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        self._file = credentials_file
        self._clock = clock
        self._steady = steady
        self._credentials: Credentials | None = None
        self._token = Secret("")
        self._expires = self._until = 0.0  # by either clock
        self._failed: tuple[float, GatewayError] | None = None
        self._lock = asyncio.Lock()

    async def get(self) -> Secret:
        """A token that is good for a while. While one is renewed, the old one serves.

        Raises GatewayError `provider_credentials` where Google gives none, `upstream_unreachable`
        where it cannot be asked.
        """
        if self._left > EARLY or (self._left > LATE and self._lock.locked()):
            return self._token
        async with self._lock:
            if self._left > EARLY:
                return self._token
            if self._failed is not None and self._steady() - self._failed[0] < PAUSE:
                return self._old_or(self._failed[1])
            try:
                token, expires = await asyncio.to_thread(self._renew)
            except GatewayError as error:
                self._failed = (self._steady(), error)
                return self._old_or(error)
            self._token, self._failed = Secret(token), None
            self._expires, self._until = expires, self._steady() + expires - self._clock()
            return self._token

    @property
    def _left(self) -> float:
        return min(self._expires - self._clock(), self._until - self._steady())

    def _old_or(self, error: GatewayError) -> Secret:
        if self._left > LATE:
            return self._token
        raise error.with_traceback(None)

    def _renew(self) -> tuple[str, float]:
        """Ask for a token; runs in a thread, because it reads files and the network."""
        try:
            from google.auth import exceptions
        except ImportError:
            raise _refused(
                "google-auth is not installed", "install the extra: callgate[vertex]"
            ) from None
        try:
            if self._credentials is None:
                self._credentials = self._load()
            self._credentials.refresh(_fetch)  # type: ignore[no-untyped-call]
        except exceptions.TransportError as error:
            raise GatewayError(
                "upstream_unreachable",
                "Google's token service cannot be reached.",
                detail=redact(str(error)[:500]),
            ) from None
        except (exceptions.GoogleAuthError, OSError, ValueError) as error:
            raise _refused(
                redact(str(error)[:500]), "correct the credentials of Google Cloud"
            ) from None
        expiry = self._credentials.expiry
        expires = expiry.replace(tzinfo=UTC).timestamp() if expiry else self._clock() + 3600
        return str(self._credentials.token), expires

    def _load(self) -> Credentials:
        if self._file:
            from google.oauth2 import service_account

            made: Credentials = service_account.Credentials.from_service_account_file(  # type: ignore[no-untyped-call]
                self._file, scopes=SCOPES
            )
            return made
        import google.auth

        fetch: Any = _fetch
        found: tuple[Any, Any] = google.auth.default(scopes=SCOPES, request=fetch)
        credentials: Credentials = found[0]
        return credentials


class _Reply(NamedTuple):
    """What `google.auth.transport.Response` is."""

    status: int
    headers: Mapping[str, str]
    data: bytes


def _fetch(
    url: str,
    method: str = "GET",
    body: bytes | str | None = None,
    headers: Mapping[str, str] | None = None,
    timeout: float | None = None,
    **_: object,
) -> _Reply:
    """What `google.auth.transport.Request` does, by the standard library."""
    from google.auth.exceptions import TransportError

    data = body.encode() if isinstance(body, str) else body
    if not url.startswith(("https://", "http://")):
        raise TransportError("not an HTTP URL")  # type: ignore[no-untyped-call]
    request = urllib.request.Request(  # noqa: S310 - checked above
        url, data=data, headers=dict(headers or {}), method=method
    )
    try:
        with urllib.request.urlopen(request, timeout=timeout or TIMEOUT) as reply:  # noqa: S310
            return _Reply(reply.status, _lower(reply.headers), reply.read(MAX_BYTES))
    except urllib.error.HTTPError as reply:
        with reply:
            return _Reply(reply.code, _lower(reply.headers), reply.read(MAX_BYTES))
    except OSError as error:
        raise TransportError(str(error)) from error  # type: ignore[no-untyped-call]


def _lower(headers: Message) -> dict[str, str]:
    """Names in lower case, as google-auth looks for them."""
    return {name.lower(): str(value) for name, value in headers.items()}


def _refused(why: str, fix: str) -> GatewayError:
    return GatewayError(
        "provider_credentials",
        "There is no access token for Google Cloud.",
        fix=f"The operator has to {fix}.",
        detail=why,
    )
