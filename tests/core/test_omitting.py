"""What a record leaves out for its size."""

from __future__ import annotations

import msgspec
from msgspec import Raw

from callgate.core.omitting import PARAMETERS_BYTES, omit
from callgate.core.record import Record
from samples import answered


def asked(**sizes: int) -> Record:
    return answered(parameters={name: Raw(b'"%b"' % (b"x" * (n - 2))) for name, n in sizes.items()})


def test_parameters_that_fit_are_left_as_they_are() -> None:
    record = asked(a=PARAMETERS_BYTES - 5, bb=2)
    before = record.parameters
    omit(record)
    assert record.parameters is before
    assert record.parameters_omitted is None


def test_the_largest_are_left_out_until_the_others_fit() -> None:
    record = asked(model=10, tools=40_000, response_format=50_000, metadata=30_000)
    omit(record)
    assert set(record.parameters or ()) == {"model", "metadata"}
    left = record.parameters_omitted
    assert left is not None
    assert (left.count, left.names) == (2, ["response_format", "tools"])
    assert left.bytes == 90_000 + len("response_formattools")


def test_what_is_said_of_many_and_of_long_names_is_bounded() -> None:
    names = [f"{n}{'ä' * 9_000}" for n in range(1_000)]
    record = answered(parameters=dict.fromkeys(names, Raw(b"1")))
    omit(record)
    assert len(msgspec.json.encode(record)) < PARAMETERS_BYTES + 4_000
    left = record.parameters_omitted
    assert left is not None
    assert left.count == 999
    assert [len(name) for name in left.names] == [64] * 8


def test_the_parameters_of_the_call_itself_stay() -> None:
    parameters = {"metadata": Raw(b'"%b"' % (b"x" * PARAMETERS_BYTES))}
    omit(answered(parameters=parameters))
    assert list(parameters) == ["metadata"]
