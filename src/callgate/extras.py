"""How an optional extra is installed."""

from __future__ import annotations

import shlex
import sys


def install(extra: str) -> str:
    """The command that adds an extra to the environment that runs, and to no other.

    Callgate is installed there, so pip takes the extra's packages from what it says of itself.
    """
    return f"{shlex.quote(sys.executable or 'python3')} -m pip install 'callgate[{extra}]'"
