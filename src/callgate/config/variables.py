"""What a configuration has from elsewhere: `${VAR}` and `${file:PATH}` in its strings."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from callgate.config.sources import at_once, mark

_REFERENCE = re.compile(r"\$\{(?:(?:([A-Za-z_][A-Za-z0-9_]*)|file:([^{}\x00-\x1f]+))\})?")
_MAX_BYTES = 64 * 1024


class Variables:
    """Replaces references. `mistakes` are those that are none; `unset` has, by the setting's path,
    what was not there, and `sources` the files that were, with their marks. Relative paths of files
    begin at `home`.

    White space around a value is nobody's intent: secrets in files end in a line break.
    """

    def __init__(self, environ: Mapping[str, str], home: Path) -> None:
        self._environ = environ
        self._home = home
        self.mistakes: list[str] = []
        self.unset: dict[str, str] = {}
        self.sources: dict[Path, bytes] = {}

    def expand(self, value: Any, path: str = "") -> Any:
        """The TOML value with every reference in its strings replaced."""
        if isinstance(value, dict):
            return {
                key: self.expand(item, f"{path}.{key}" if path else key)
                for key, item in value.items()
            }
        if isinstance(value, list):
            return [self.expand(item, f"{path}[{at}]") for at, item in enumerate(value)]
        if not isinstance(value, str):
            return value
        return _REFERENCE.sub(lambda found: self._read(found, path), value)

    def _read(self, found: re.Match[str], path: str) -> str:
        name, file = found.groups()
        if file is not None:
            return self._of_file(file, path, found[0])
        if name is None:  # nothing of what follows is told: a secret may stand there
            self.mistakes.append(
                f"{path}: holds `${{` without a variable's name, or `file:` and a path, "
                "and `}` after it"
            )
        elif name in self._environ:
            return self._environ[name].strip()
        else:
            self.unset[path] = f"{path}: the environment variable {name} is not set"
        return found[0]

    def _of_file(self, name: str, path: str, reference: str) -> str:
        file = self._home / name
        try:
            with open(file, "rb", opener=at_once) as opened:
                regular = stat.S_ISREG(os.fstat(opened.fileno()).st_mode)
                data = opened.read(_MAX_BYTES + 1) if regular else b""
            if not regular:
                why = "it is not a regular file"
            elif len(data) > _MAX_BYTES:
                why = "it is larger than 64 KiB"
            elif text := data.decode("utf-8-sig").strip():  # Windows' editors begin with a mark
                self.sources[file] = mark(data)
                return text
            else:
                why = "it is empty"
        except OSError as error:
            why = str(error.strerror)
        except UnicodeDecodeError:
            why = "it is not UTF-8"
        self.unset[path] = f"{path}: the file {file} cannot be read: {why}"
        return reference
