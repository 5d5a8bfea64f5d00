"""Requests by a method that their path does not have."""

from __future__ import annotations

from callgate.errors import GatewayError

_FROM_A_PAGE = (
    "A browser sends this before a page may call another origin (CORS). No page may call this "
    "gateway, because everyone can read a key in a page. Call it from your own server."
)


def wrong_method(method: str, allowed: str) -> GatewayError:
    """The `method_not_allowed`; `allowed` is what the header `Allow` says."""
    return GatewayError(
        "method_not_allowed",
        f"{method} is not allowed here; use {allowed}",
        fix=_FROM_A_PAGE if method == "OPTIONS" else f"Use {allowed}, as the `Allow` header says.",
    )
