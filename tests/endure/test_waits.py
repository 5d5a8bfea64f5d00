"""The judge of waits holds those within an outage against all others."""

from __future__ import annotations

from bench.endure.waits import Span, compared

from .answers import answered

AWAY = [Span("store", 200.0, 203.0)]
USUAL = [answered(began=100.0 + number, took=0.005) for number in range(50)]


def test_one_wait_that_is_too_long_is_found() -> None:
    within = [answered(began=201.0, took=0.06) for _ in range(50)]
    assert compared([*USUAL, *within], AWAY).sound
    found = compared([*USUAL, *within, answered(began=199.99, took=0.066)], AWAY)
    assert not found.sound
    assert "+61.0 ms longer" in found.told


def test_a_restless_machine_is_no_outage() -> None:
    restless = answered(began=150.0, took=0.3)
    within = answered(began=201.0, took=0.1)
    assert compared([*USUAL, restless, answered(began=202.0, took=0.005)], AWAY).sound
    assert not compared([*USUAL, within], AWAY).sound
