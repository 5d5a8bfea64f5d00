"""A record of which nothing that was said may be kept."""

from __future__ import annotations

import msgspec

import samples
from callgate.core.withheld import withhold


def test_what_was_wrong_with_a_request_is_told_by_its_length_alone() -> None:
    said = "tool_choice: expected one of 'auto', 'none', got 'my secret'"
    record = samples.refused(status=400, message=said, errors=[said, said])
    withhold(record)
    assert b"secret" not in msgspec.json.encode(record)
    assert record.message == f"<{len(said)} characters>"
    assert list(record.errors) == [record.message] * 2
