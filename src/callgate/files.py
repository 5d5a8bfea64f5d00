"""The files that a process may have open; a connection is one.

Where connections took them all, nobody could ask `/ready`, no record could be begun, and the
event loop would hang up on callers without a word. So the last ones are kept back from them.
"""

from __future__ import annotations

import errno
import os
import resource
from contextlib import suppress
from time import monotonic

from callgate.errors import GatewayError

SHORTAGE = frozenset({errno.EMFILE, errno.ENFILE})
"""What the operating system says where there is no file left, of the process or of the machine."""

_ENOUGH = 1 << 20
_KEPT_BACK, _SHARE_KEPT_BACK = 256, 8
_JUST = 10.0


class Files:
    """Descriptors below `bound` are for connections; those from there up to `limit` are kept back.

    A new descriptor is the lowest that is free (POSIX, `open`), so that its number tells whether
    all below it are in use. `refusals` counts who was refused one.
    """

    __slots__ = ("_refused", "bound", "limit", "refusals")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.bound = limit - min(_KEPT_BACK, limit // _SHARE_KEPT_BACK)
        self.refusals = 0
        self._refused = -_JUST

    def scarce(self) -> bool:
        """Whether the next one is kept back."""
        try:
            descriptor = os.open("/", os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            return error.errno in SHORTAGE
        os.close(descriptor)
        return descriptor >= self.bound

    def refuse(self) -> GatewayError:
        """What to tell whoever would have needed one."""
        self.refusals += 1
        self._refused = monotonic()
        return shortage()

    def lacking(self) -> bool:
        """Whether they are scarce, or somebody was refused one just now."""
        return monotonic() - self._refused < _JUST or self.scarce()


def open_to_this_process() -> Files:
    """What the process may have open, once that has been raised as far as it may raise it."""
    limit, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _ENOUGH if most == resource.RLIM_INFINITY else min(most, _ENOUGH)
    if limit != resource.RLIM_INFINITY and limit < wanted:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))
            limit = wanted
    return Files(_ENOUGH if limit == resource.RLIM_INFINITY else limit)


def shortage() -> GatewayError:
    """What a caller is told for whom no file can be spared."""
    return GatewayError(
        "overloaded",
        "the gateway has as many connections open as the operating system lets it",
        fix="Retry after the seconds that `Retry-After` says; if it persists, the operator has to "
        "let the gateway open more files (`LimitNOFILE`, `ulimit -n`), or add workers.",
    )
