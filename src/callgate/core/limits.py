"""The arithmetic of fixed windows: whether one more request fits, and the window after it.

A window is two integers: `opened`, Unix microseconds (0: never opened), and `used`, the requests
admitted since. Back-ends of `store.base.Counters` keep the pair wherever they like and make the
step atomic; what the step is, is said here once.
"""

from __future__ import annotations

WINDOW_US = 60_000_000
"""The length of a window in microseconds."""


def take(opened: int, used: int, limit: int, now: int) -> tuple[bool, int, int]:
    """Ask for one request at `now` (Unix microseconds); (admitted, opened, used) afterwards.

    A clock that has stepped back pulls the window back with it and keeps its count: nobody gains
    a request by it, and nobody waits longer than one window from the clock's new time.
    """
    if now >= opened + WINDOW_US:
        opened, used = now, 0
    elif now < opened:
        opened = now
    if used < limit:
        return True, opened, used + 1
    return False, opened, used


def look(opened: int, used: int, now: int) -> tuple[int, int]:
    """The window as it stands at `now`: (opened, used). One that would open now counts as open."""
    if now >= opened + WINDOW_US:
        return now, 0
    return min(opened, now), used


def expired(opened: int, now: int) -> bool:
    """Whether nothing has to be remembered of the window any more."""
    return now >= opened + WINDOW_US
