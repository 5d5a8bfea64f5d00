"""What the engine keeps of a call in its books."""

from __future__ import annotations

import sys
from typing import Any, cast

import msgspec
import pytest

from callgate.cli.build import compiled
from callgate.engine.call import Call
from callgate.engine.engine import Engine


class Kept:
    """A journal that keeps what it is given."""

    def __init__(self) -> None:
        self.records: list[bytes] = []

    def append(self, record: bytes) -> None:
        self.records.append(record)


@pytest.mark.skipif(compiled(), reason="a compiled engine takes no stand-in for its parts")
def test_a_record_is_kept_as_it_was_written_and_the_room_for_a_large_one_is_not() -> None:
    journal, none = Kept(), cast("Any", None)
    engine = Engine(none, none, journal, "us", none, none, none)
    sizes = (10, 3_000_000, 20)
    for size in sizes:
        call = Call("019a207c-0000-7000-8000-000000000000", 0.0, "POST", "/v1/chat/completions")
        call.status, call.user_agent = 200, "x" * size
        engine.settle(call)
    told = [msgspec.json.decode(record)["user_agent"] for record in journal.records]
    assert told == ["x" * size for size in sizes]
    assert sys.getsizeof(engine._written) < 1_000_000
