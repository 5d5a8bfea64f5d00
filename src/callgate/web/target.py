"""The request target of an HTTP request, taken apart (RFC 9112, 3.2)."""

from __future__ import annotations

from urllib.parse import unquote

from httptools import parse_url


def split_target(url: bytes) -> tuple[str, bytes, bytes]:
    """Path (percent-decoded), path as sent, and query of a target in origin or absolute form.

    Raises ValueError or httptools' own error where it is neither.
    """
    parsed = parse_url(url)
    raw_path: bytes = parsed.path or b"/"
    path = raw_path.decode("ascii")
    return unquote(path) if "%" in path else path, raw_path, parsed.query or b""
