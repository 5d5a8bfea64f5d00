"""The judge of waits holds those within an outage against all others."""

from __future__ import annotations

from bench.endure.pulse import Strain
from bench.endure.waits import Span, compared

from .answers import answered

AWAY = [Span("store", 200.0, 203.0)]
USUAL = [answered(began=100.0 + number, took=0.005) for number in range(50)]


def quiet(_begun: float, _ended: float) -> Strain:
    """A machine with nothing else to do."""
    return Strain()


def test_one_wait_that_is_too_long_is_found() -> None:
    within = [answered(began=201.0, took=0.06) for _ in range(50)]
    assert compared([*USUAL, *within], AWAY, quiet).sound
    found = compared([*USUAL, *within, answered(began=199.99, took=0.066)], AWAY, quiet)
    assert not found.sound
    assert "+61.0 ms longer" in found.told


def test_a_restless_machine_is_no_outage() -> None:
    restless = answered(began=150.0, took=0.3)
    within = answered(began=201.0, took=0.1)
    assert compared([*USUAL, restless, answered(began=202.0, took=0.005)], AWAY, quiet).sound
    assert not compared([*USUAL, within], AWAY, quiet).sound


def test_what_the_machine_did_at_that_time_is_told_and_taken_off() -> None:
    late = answered(began=201.0, took=0.2, gateway=1)
    asked = []

    def busy(begun: float, ended: float) -> Strain:
        asked.append((begun, ended))
        return Strain(90.0, {"gateway0": 500.0, "gateway1": 50.0, "redis": 7.0})

    found = compared([*USUAL, late], AWAY, busy)
    assert asked == [(201.0, 201.2)]
    (slow,) = found.slow
    assert (slow.away, slow.direct, slow.kept) == (
        ["store"],
        90.0,
        {"gateway1": 50.0, "redis": 7.0},
    )
    assert slow.rest == 200 - 5 - 90 - 50
    assert found.sound
    assert "1 more than 60 ms above the usual (1 without store), 0 of those" in found.told
    assert "at most +195.0 ms longer" in found.told


def test_what_is_left_after_that_is_the_gateways() -> None:
    def busy(_begun: float, _ended: float) -> Strain:
        return Strain(90.0, {"gateway1": 500.0})

    found = compared([*USUAL, answered(began=201.0, took=0.2)], AWAY, busy)
    assert not found.sound
    assert "1 of those in an outage not by the machine" in found.told
    # With all servers there it is told, but no outage made anybody wait.
    found = compared([*USUAL, answered(began=150.0, took=0.2)], AWAY, busy)
    assert found.sound
    assert len(found.slow) == 1
