"""`python -m callgate` and the console script `callgate`."""

from __future__ import annotations

import sys
from io import TextIOWrapper

from callgate.cli.main import callgate


def main() -> None:
    """Run the command line. A terminal that lacks a character shows its escape instead."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    callgate(prog_name="callgate")


if __name__ == "__main__":
    main()
