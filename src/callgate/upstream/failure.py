"""What can go wrong with an upstream connection, as errors of the taxonomy.

Messages for callers say `the provider`, which the engine replaces by its name (`named`); hosts,
which concern only the operator, are in `detail`. Neither contains a path, a query or a header,
which may hold secrets.
"""

from __future__ import annotations

import socket
import ssl

from callgate.core.http import Origin
from callgate.errors import GatewayError
from callgate.files import SHORTAGE, shortage

_PROVIDER = "the provider "
_PROXY = "the proxy "
_TIMEOUTS = {
    "connect": "could not be reached within {seconds:g} s (connect timeout)",
    "request": "did not accept the request within {seconds:g} s (request body timeout)",
    "headers": "sent no response headers within {seconds:g} s (response headers timeout)",
    "first_token": "sent no piece of an answer within {seconds:g} s (first token timeout)",
    "silence": "fell silent during the body for {seconds:g} s (silence timeout)",
    "total": "did not finish its answer within {seconds:g} s (total timeout)",
}

_RAISE = "the operator can raise `timeouts.{phase}`."
_UNMADE = "Retry; if it persists, the operator has to check `base_url`, DNS, proxy and firewall."
_UNTRUSTED = (
    "The operator has to check `base_url` and the machine's clock or, if a proxy intercepts TLS, "
    "point SSL_CERT_FILE or SSL_CERT_DIR at the authority to trust."
)
_FIXES = {
    "connect": _UNMADE,
    "request": "Retry, or send less; if it persists, the operator has to check the network.",
    "headers": "Retry, stream the answer, or lower `max_tokens`; " + _RAISE,
    "first_token": "Retry; " + _RAISE,
    "silence": "Retry; " + _RAISE,
    "total": "Retry, or lower `max_tokens`; " + _RAISE,
}


def timed_out(phase: str, host: str, seconds: float) -> GatewayError:
    """`phase` is a field of `Timeouts`, or `request` for a body that is not taken."""
    fix = _FIXES[phase].format(phase=phase)
    return _error("upstream_timeout", host, _TIMEOUTS[phase].format(seconds=seconds), fix)


def unreachable(host: str, exc: Exception) -> GatewayError:
    """A connection that could not be made, from the event loop's exception.

    If this process may open no more files, the provider is not to blame: `overloaded`.
    """
    if isinstance(exc, OSError) and exc.errno in SHORTAGE:
        return shortage()
    fix = _UNTRUSTED if isinstance(exc, ssl.SSLCertVerificationError) else None
    return _error("upstream_unreachable", host, _reason(exc), fix)


def _reason(exc: Exception) -> str:
    if isinstance(exc, ssl.SSLCertVerificationError):
        return f"presented a certificate that cannot be trusted: {exc.verify_message}"
    if isinstance(exc, ssl.SSLError):
        return f"did not complete the TLS handshake: {exc.reason or 'protocol error'}"
    if isinstance(exc, socket.gaierror | UnicodeError):
        told = exc.strerror if isinstance(exc, socket.gaierror) else None
        return f"could not be resolved to an address: {told or 'not a host name'}"
    if isinstance(exc, ConnectionRefusedError):
        return "refused the connection"
    if isinstance(exc, ConnectionError):
        return "dropped the connection while it was being made"
    return f"could not be reached: {getattr(exc, 'strerror', None) or 'network error'}"


def exhausted(host: str, connections: int, seconds: float) -> GatewayError:
    """All connections that the limit allows stayed busy for the whole connect timeout."""
    return GatewayError(
        "upstream_unreachable",
        f"all {connections} connections to the provider stayed busy for {seconds:g} s",
        fix="Retry; if it persists, the operator has to raise `upstream.max_connections`.",
        detail=f"all {connections} connections to {host} stayed busy for {seconds:g} s",
    )


def proxy_refused(proxy: Origin, host: str, status: int) -> GatewayError:
    """The proxy did not answer CONNECT with a 2xx; status 0 if it did not answer in HTTP."""
    answer = f"refused the tunnel to {host} with status {status}" if status else "made no sense"
    return GatewayError(
        "upstream_unreachable",
        "the proxy on the way to the provider refused the connection",
        detail=f"the proxy {proxy.netloc} {answer}",
    )


def cut(host: str, where: str) -> GatewayError:
    """The connection ended too early; `where` says at what point."""
    return _error("upstream_cut", host, f"closed the connection {where}")


def malformed(host: str, what: str) -> GatewayError:
    """The reply breaks HTTP or a bound; `what` completes the sentence `<host> sent …`."""
    return _error("bad_upstream_reply", host, f"sent {what}")


def closed() -> GatewayError:
    """The client itself is closing."""
    return GatewayError("overloaded", "the gateway is shutting down")


def named(error: GatewayError, provider: str) -> None:
    """Put the provider's name into the error's message, in place of "the provider"."""
    said = error.message
    if said.startswith(_PROVIDER):
        error.message = f"{provider} {said.removeprefix(_PROVIDER)}"
        if error.errors == (said,):
            error.errors = (error.message,)


def _error(kind: str, host: str, did: str, fix: str | None = None) -> GatewayError:
    who = "the proxy on the way to the provider " if host.startswith(_PROXY) else _PROVIDER
    return GatewayError(kind, f"{who}{did}", fix=fix, detail=f"{host} {did}")
