"""The gateway's own log: JSON lines on standard error, with every known secret blotted out."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Mapping, Sequence

import msgspec

from callgate.core.jsontext import inert
from callgate.core.redact import redact
from callgate.core.secret import Secret

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "color_message"}
_TIME = "%Y-%m-%dT%H:%M:%S"
_PLAIN = (int, float, type(None))
_WORDS = 1024
_LONGEST_WORD = 128


class JsonLines(logging.Formatter):
    """One JSON object a line: time, level, logger, message, the `extra`, a traceback."""

    def __init__(self, secrets: Sequence[Secret]) -> None:
        super().__init__()
        self._secrets = tuple(secrets)
        self._harmless: set[str] = set()

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line without a line break."""
        instant = time.strftime(_TIME, time.gmtime(record.created))
        line: dict[str, object] = {
            "time": f"{instant}.{int(record.msecs):03d}+00:00",
            "level": record.levelname.lower(),
            "logger": self._safe("logger", record.name),
            "message": self._safe("message", record.getMessage()),
        }
        for name, value in vars(record).items():
            if name not in _STANDARD:
                line[name] = self._safe(name, value)
        if record.exc_info:
            line["traceback"] = self._safe("traceback", self.formatException(record.exc_info))
        return inert(msgspec.json.encode(line, enc_hook=self._spelt).decode())

    def _safe(self, name: str, value: object) -> object:
        """Without secrets, however deep. An id has the look of one, but is there to be found."""
        if isinstance(value, _PLAIN) or name == "request_id":
            return value
        if isinstance(value, str):
            return value if value in self._harmless else self._looked_through(value)
        if isinstance(value, bytes):
            return redact(value.decode("utf-8", "backslashreplace"), self._secrets)
        if isinstance(value, Mapping):
            return {str(key): self._safe(str(key), inner) for key, inner in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return [self._safe("", inner) for inner in value]
        return value

    def _looked_through(self, text: str) -> str:
        """Without secrets. Names that come with line after line are looked through once."""
        safe = redact(text, self._secrets)
        if safe == text and len(text) <= _LONGEST_WORD:
            if len(self._harmless) >= _WORDS:
                self._harmless.clear()
            self._harmless.add(text)
        return safe

    def _spelt(self, value: object) -> str:
        return redact(repr(value), self._secrets)


def set_up(secrets: Sequence[Secret]) -> None:
    """Send all logging of this process to standard error as JSON lines."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines(secrets))
    # No line tells these (https://docs.python.org/3/howto/logging.html#optimization).
    logging._srcfile = None  # noqa: SLF001
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    for chatty in ("uvicorn.error", "alembic"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    logging.captureWarnings(capture=True)
