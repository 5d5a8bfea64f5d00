"""The files that a configuration was read from, and whether they have changed since."""

from __future__ import annotations

import os
from pathlib import Path

from callgate.config import load
from callgate.config.sources import changed

CONFIG = '[providers.openai]\napi_key = "${file:key}"\n'


def test_a_change_of_any_file_that_was_read_is_seen_until_it_is_taken_back(tmp_path: Path) -> None:
    file, key = tmp_path.resolve() / "callgate.toml", tmp_path.resolve() / "key"
    file.write_text(CONFIG)
    key.write_text("sk-first\n")
    sources = load(file, {}).sources
    assert changed(sources) == []
    key.write_text("sk-second\n")
    assert changed(sources) == [key]
    key.write_text("sk-first\n")
    file.write_text(CONFIG + "# more\n")
    assert changed(sources) == [file]
    file.unlink()
    key.unlink()
    assert changed(sources) == [file, key]
    os.mkfifo(key)  # which nobody writes to
    assert changed(sources) == [file, key]


def test_what_was_read_through_a_pipe_cannot_change(tmp_path: Path) -> None:
    heard, said = os.pipe()
    os.write(said, b"[providers.openai]\napi_key = 'x'\n")
    os.close(said)
    try:
        assert changed(load(Path(f"/dev/fd/{heard}"), {}).sources) == []
    finally:
        os.close(heard)


def test_without_a_file_there_is_none_to_change() -> None:
    assert changed(load(None, {"OPENAI_API_KEY": "x"}).sources) == []
