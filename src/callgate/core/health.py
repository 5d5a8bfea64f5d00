"""How a deployment is doing, as far as this process has seen: breaker, rest, load, latency.

The circuit breaker (https://martinfowler.com/bliki/CircuitBreaker.html) opens on a ratio of
failures within a window, lets one probe through after a pause, and closes when that succeeds.
Time is an argument: seconds on any clock that does not go backwards.
"""

from __future__ import annotations

from typing import Final, Literal

from callgate.core.breaker import BreakerSettings
from callgate.core.pace import Pace

Circuit = Literal["closed", "open", "half-open"]

_NEVER: Final = float("-inf")
_SMOOTHING: Final = 0.2
_SLICES: Final = 10


class Health:
    """The state of one deployment. `outstanding` counts requests in progress; `failure` is the
    latest one that was its own, in words.

    `paces`, where anybody wants to know, tells how long answers take: those that are not streamed
    to their end, and streams to their first token.
    """

    __slots__ = (
        "_opened", "_probing", "_refused", "_resting", "_settings", "_slices", "_width", "failure",
        "latency", "outstanding", "paces",
    )  # fmt: skip

    def __init__(self, settings: BreakerSettings) -> None:
        self._settings = settings
        self._width = settings.window / _SLICES
        self._slices: list[tuple[int, int, int]] = []  # (number of the slice, calls, failures)
        self._opened: float | None = None
        self._probing = _NEVER  # since when a probe is under way
        self._resting = self._refused = 0.0
        self.outstanding = 0
        self.failure = ""
        self.latency = 0.0
        self.paces: tuple[Pace, Pace] | None = None

    def circuit(self, now: float) -> Circuit:
        """The breaker's state."""
        if self._opened is None:
            return "closed"
        return "open" if now < self._opened + self._settings.pause else "half-open"

    def available(self, now: float) -> bool:
        """Whether a request may go there: not resting, and closed or due for a probe."""
        if now < self._resting:
            return False
        if self._opened is None:
            return True
        return self.circuit(now) == "half-open" and self._lacks_probe(now)

    def resting(self, now: float) -> bool:
        """Whether it asked to be left alone."""
        return now < self._resting

    def refuses(self, now: float) -> bool:
        """Whether it has refused the operator recently: it is then asked after the others."""
        return now < self._refused

    def back_in(self, now: float) -> float:
        """Seconds until it may be asked again, as far as that can be told."""
        opened = self._opened
        due = 0.0 if opened is None else opened + self._settings.pause
        return max(0.0, self._resting - now, due - now)

    def begin(self, now: float) -> bool:
        """Count a request that is sent there; whether it is the probe of a half-open circuit."""
        self.outstanding += 1
        if self._opened is None or self.circuit(now) != "half-open" or not self._lacks_probe(now):
            return False
        self._probing = now
        return True

    def end(self, *, probe: bool = False) -> None:
        """The request is over, whatever its outcome; `probe` is what `begin` returned.

        A request from before the circuit opened may end within the probe, and must not let another
        one through.
        """
        self.outstanding -= 1
        if probe:
            self._probing = _NEVER

    def succeeded(self, now: float, latency: float) -> bool:
        """It answered, after `latency` seconds; whether that has closed the circuit."""
        self._count(now, failures=0)
        self._refused = 0.0
        closed = self._opened is not None
        self._opened = None
        if self.latency:
            self.latency += _SMOOTHING * (latency - self.latency)
        else:
            self.latency = latency
        return closed

    def pace(self, *, stream: bool) -> Pace:
        """How long its answers take; recorded from the first call of this on."""
        if self.paces is None:
            self.paces = Pace(), Pace()
        return self.paces[stream]

    def failed(self, now: float) -> bool:
        """Count a failure of its own; whether that has opened the circuit."""
        self._count(now, failures=1)
        if self._opened is not None:  # the probe failed, or a request from before it opened
            self._opened = now
            return False
        calls = sum(row[1] for row in self._slices)
        failures = sum(row[2] for row in self._slices)
        settings = self._settings
        if calls >= settings.calls and failures >= settings.ratio * calls:
            self._opened = now
            self._slices.clear()
            return True
        return False

    def rest(self, now: float, seconds: float) -> None:
        """It asked not to be called for so many seconds."""
        self._resting = max(self._resting, now + seconds)

    def refused(self, now: float, seconds: float) -> None:
        """It refused the operator's key, account or model; remembered for so many seconds."""
        self._refused = now + seconds

    def _lacks_probe(self, now: float) -> bool:
        """Whether no probe is under way, or one that has had a pause's time to answer in vain.

        One that hangs would otherwise keep everybody waiting for as long as its timeouts let it.
        """
        return now >= self._probing + self._settings.pause

    def _count(self, now: float, failures: int) -> None:
        number = int(now / self._width)
        slices = self._slices
        if slices and slices[-1][0] == number:
            _, calls, failed = slices[-1]
            slices[-1] = (number, calls + 1, failed + failures)
        else:
            slices.append((number, 1, failures))
            while slices[0][0] <= number - _SLICES:
                del slices[0]
