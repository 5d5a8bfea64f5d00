"""The configuration as it is in effect in one worker: with what operators have set over it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence

from callgate.config import Config
from callgate.config.overlay import Overlaid, Passed, overlaid
from callgate.core.override import Override
from callgate.store.base import Overrides

_log = logging.getLogger("callgate.overrides")


class Effect:
    """Follows the store's overrides: `config` is what is in effect, `passed` what could not be.

    What was read takes effect with `apply`, all at once; `followers` are then given the new
    configuration. `remember` is given all overrides whenever they have changed.
    """

    def __init__(
        self,
        config: Config,
        overrides: Overrides,
        remember: Callable[[Iterable[Override]], None],
    ) -> None:
        self.config = config
        self.passed: Sequence[Passed] = ()
        self.followers: list[Callable[[Config], None]] = []
        self._given = config
        self._overrides = overrides
        self._remember = remember
        self._known: Sequence[Override] | None = None
        self._next: Overlaid | None = None

    def read(self) -> None:
        """Read the overrides, and make of them what is to be in effect. Blocks.

        Raises only what the store raises.
        """
        found = tuple(self._overrides.all())
        if found != self._known:
            self.restore(found)
            self._remember(found)

    def restore(self, overrides: Sequence[Override]) -> None:
        """As `read`, of overrides that were remembered."""
        try:
            self._next = overlaid(self._given, overrides)
        except Exception as defect:  # keys have to be followed all the same
            _log.exception("what operators have set cannot be put into effect")
            why = (f"{type(defect).__name__}: see the gateway's log",)
            self._next = Overlaid(self.config, (Passed("model", "*", why),))
        self._known = overrides

    def apply(self) -> None:
        """Put what was read last into effect."""
        fresh, self._next = self._next, None
        if fresh is None:
            return
        if fresh.passed and fresh.passed != self.passed:
            detail = "; ".join(map(str, fresh.passed))
            _log.warning("what operators have set is not all in effect", extra={"detail": detail})
        self.config, self.passed = fresh.config, fresh.passed
        for follow in self.followers:
            follow(self.config)
