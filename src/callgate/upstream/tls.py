"""TLS towards upstreams: certificates are always verified, and so are host names."""

from __future__ import annotations

import ssl

from callgate.errors import GatewayError


class Tls:
    """A TLS context, built when it is first needed (reading CAs takes time).

    `ca_file` (PEM) and `ca_dir` (hashed, see `openssl rehash`) replace the system's CAs; those of
    the file `own` are trusted besides.
    """

    __slots__ = ("_ca_dir", "_ca_file", "_context", "_own")

    def __init__(self, ca_file: str | None, ca_dir: str | None, own: str | None = None) -> None:
        self._ca_file = ca_file
        self._ca_dir = ca_dir
        self._own = own
        self._context: ssl.SSLContext | None = None

    def context(self) -> ssl.SSLContext:
        """Raises GatewayError `upstream_unreachable` where the CAs cannot be read."""
        if self._context is None:
            self._context = self._build()
        return self._context

    def _build(self) -> ssl.SSLContext:
        try:
            context = ssl.create_default_context(
                cafile=self._ca_file or None, capath=self._ca_dir or None
            )
        except OSError as exc:
            place, fix = self._ca_file or self._ca_dir, "SSL_CERT_FILE or SSL_CERT_DIR"
            raise _unreadable(place, exc, fix) from None
        if self._own is not None:
            try:
                context.load_verify_locations(cafile=self._own)
            except OSError as exc:
                raise _unreadable(self._own, exc, "`ca_file` of the provider") from None
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols(["http/1.1"])
        return context


def _unreadable(place: str | None, exc: OSError, setting: str) -> GatewayError:
    return GatewayError(
        "upstream_unreachable",
        "the certificate authorities for TLS cannot be read",
        fix=f"The operator has to correct {setting}.",
        detail=f"{place}: {exc.strerror}",
    )
