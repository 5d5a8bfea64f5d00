"""How the package that runs was built."""

from __future__ import annotations

from importlib.machinery import EXTENSION_SUFFIXES
from importlib.util import find_spec


def compiled() -> bool:
    """Whether the way of a request was compiled (docs/compiled.md) or is interpreted."""
    spec = find_spec("callgate.core.sse")
    origin = spec.origin if spec is not None else None
    return origin is not None and origin.endswith(tuple(EXTENSION_SUFFIXES))
