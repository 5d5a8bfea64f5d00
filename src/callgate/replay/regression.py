"""A captured request as a regression test: a file for pytest, and the capture beside it."""

from __future__ import annotations

import os
from pathlib import Path

from callgate.core.captured import Captured
from callgate.core.record import Record

_TEST = '''"""Replays request {request_id}: {what}.

The gateway gets the captured request and, from the provider, the recorded bytes; nothing is asked
of anybody. Made by `callgate replay {request_id} --as-test`.
"""

from __future__ import annotations

from pathlib import Path

from callgate.replay.verdict import differences_in

CAPTURE = Path(__file__).with_name("{capture}")


def test_request_{name}_is_answered_as_recorded() -> None:
    assert differences_in(CAPTURE) == []
'''


def write_test(captured: Captured, record: Record, source: Path, folder: Path) -> tuple[Path, Path]:
    """Write both files into the folder, which is made if need be; the test and the capture.

    The capture may be a stranger's: of its words only plain ones get into the test's text.

    Raises OSError, FileExistsError where there is a test of this request already.
    """
    folder.mkdir(parents=True, exist_ok=True)
    name = captured.request_id.replace("-", "_")
    test, capture = folder / f"test_replay_{name}.py", folder / f"{captured.request_id}.capture"
    what = f"{captured.status} {_plain(record.error or 'answered')}, model {_plain(record.model)}"
    text = _TEST.format(request_id=captured.request_id, what=what, capture=capture.name, name=name)
    with test.open("x", encoding="utf-8") as file:
        file.write(text)
    data = source.read_bytes()
    fd = os.open(capture, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)  # a capture is private
    with os.fdopen(fd, "wb") as copy:
        copy.write(data)
    return test, capture


def _plain(text: str | None) -> str:
    return "".join(one for one in text or "" if one.isalnum() or one in "-_.:/ ")[:60]
