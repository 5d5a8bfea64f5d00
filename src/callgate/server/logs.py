"""The gateway's own log: JSON lines on standard error, with every known secret blotted out."""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import msgspec

from callgate.core.redact import redact
from callgate.core.secret import Secret

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "color_message"}


class JsonLines(logging.Formatter):
    """One JSON object a line: time, level, logger, message, the `extra`, a traceback."""

    def __init__(self, secrets: Sequence[Secret]) -> None:
        super().__init__()
        self._secrets = tuple(secrets)

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line without a line break."""
        fields: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        fields |= {name: value for name, value in vars(record).items() if name not in _STANDARD}
        if record.exc_info:
            fields["traceback"] = self.formatException(record.exc_info)
        safe = {name: self._safe(name, value) for name, value in fields.items()}
        return msgspec.json.encode(safe, enc_hook=self._spelt).decode()

    def _safe(self, name: str, value: object) -> object:
        """Without secrets, however deep. An id has the look of one, but is there to be found."""
        if name == "request_id":
            return value
        if isinstance(value, str):
            return redact(value, self._secrets)
        if isinstance(value, bytes):
            return redact(value.decode("utf-8", "backslashreplace"), self._secrets)
        if isinstance(value, Mapping):
            return {str(key): self._safe(str(key), inner) for key, inner in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return [self._safe("", inner) for inner in value]
        return value

    def _spelt(self, value: object) -> str:
        return redact(repr(value), self._secrets)


def set_up(secrets: Sequence[Secret], level: int = logging.INFO) -> None:
    """Send all logging of this process to standard error as JSON lines."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines(secrets))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for chatty in ("uvicorn.error", "alembic"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    logging.captureWarnings(capture=True)
