"""How much freed memory a worker keeps for the next request."""

from __future__ import annotations

from typing import Final

# https://www.gnu.org/software/libc/manual/html_node/Malloc-Tunable-Parameters.html
_TRIM_THRESHOLD: Final = -1
_MMAP_THRESHOLD: Final = -3
_KEPT: Final = 16 << 20
_MOST: Final = 32 << 20  # the most that glibc takes


def keep_freed() -> bool:
    """Have up to 16 MiB at the heap's end kept when it is freed; whether the C library can.

    By itself glibc gives back what a body of 400 KB took as soon as it is served, and has the
    system find and clear the same hundred pages for the next one: up to a third of what it costs.
    """
    try:
        import ctypes  # which a Python that was built without libffi does not have

        library = ctypes.CDLL(None)
    except (ImportError, OSError):  # or one that is linked statically cannot
        return False
    mallopt = getattr(library, "mallopt", None)  # musl and macOS have none
    return mallopt is not None and all(
        mallopt(parameter, size)
        for parameter, size in ((_TRIM_THRESHOLD, _KEPT), (_MMAP_THRESHOLD, _MOST))
    )
