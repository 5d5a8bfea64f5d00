"""The change from one set of roles to another: one process at a time, the first one on trial."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from callgate.server.child import Child, Role

TRIAL_SECONDS = 30.0


class Rollout:
    """How far a change of roles has come. All instants are `time.monotonic`.

    The new process of a role has to say that it is ready before the old one is told to retire.
    Should the very first never say so, nothing has been changed yet, and nothing will be: the
    change is refused. One that fails after that is restarted like any that falls. Nothing is
    started before `resumes`.
    """

    def __init__(self, roles: Sequence[Role]) -> None:
        self.names = frozenset(role.name for role in roles)
        self._left = deque(roles)
        self._deadline = 0.0
        self.resumes = 0.0
        self.proven = False
        self.child: Child | None = None

    @property
    def role(self) -> Role | None:
        """The next to be started; None where all have been."""
        return self._left[0] if self._left else None

    def begin(self, child: Child, now: float) -> None:
        """Wait for this new process of the next role."""
        self._left.popleft()
        self.child, self._deadline = child, now + TRIAL_SECONDS

    def overdue(self, now: float) -> bool:
        """Whether the process that is waited for has had its time."""
        return now >= self._deadline
