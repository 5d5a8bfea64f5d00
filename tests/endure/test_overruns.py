"""The judge of requests above a limit tells the machine from the gateway."""

from __future__ import annotations

from bench.endure.overruns import Departure, explained
from bench.endure.pulse import Strain
from bench.endure.windows import Over

LATE = "no answer within 50 ms"
LEFT = [Departure(1, 99.0, "another"), Departure(1, 100.0, LATE), Departure(2, 100.0, "other")]
OVER = [Over("acme", "m", 12, 12, [(1, 99.95)])]


def strained(**kept: float) -> Strain:
    return Strain(0.0, kept)


def test_it_was_the_machine_where_nobody_had_a_processor() -> None:
    asked = []

    def busy(begun: float, ended: float) -> Strain:
        asked.append((begun, ended))
        return strained(gateway1=20, gateway2=90, redis=35)

    (told,), own = explained(OVER, LEFT, busy)
    assert asked == [(99.9, 100.0)]
    assert own == 0
    assert f"12 counted; one alone by gateway1, -0.05 s after: {LATE}" in told
    assert "for 20 ms, Redis for 35 ms" in told


def test_it_was_the_gateway_where_they_had() -> None:
    assert explained(OVER, LEFT, lambda *_: strained(gateway1=20, redis=20)).own == 1
    assert explained(OVER, LEFT, lambda *_: Strain()).own == 1
    both = [OVER[0]._replace(alone=[(1, 99.95), (2, 130.0)])]
    found = explained(both, LEFT, lambda *_: strained(gateway1=60))
    assert found.own == 1
    assert "by gateway2, 30.00 s after: other" in found.told[0]
    assert explained([], LEFT, lambda *_: Strain()) == ([], 0)
