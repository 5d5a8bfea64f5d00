"""References within a JSON document (https://www.rfc-editor.org/rfc/rfc6901, 6: as fragments)."""

from __future__ import annotations

import re
from typing import Any

_INDEX = re.compile(r"0|[1-9][0-9]{0,8}", re.ASCII)
_BARE_TILDE = re.compile(r"~(?![01])")


def pointed(document: Any, ref: str) -> Any:
    """What `#` or `#/…` leads to. Raises LookupError for what leads to nothing.

    Each place has one spelling, so that who walks what references lead to walks it once: an index
    has no zeros in front, and `~` stands for itself nowhere (RFC 6901, 3 and 4).
    """
    value = document
    for step in ref.split("/")[1:]:
        if isinstance(value, dict):
            if _BARE_TILDE.search(step):
                raise LookupError(step)
            value = value[step.replace("~1", "/").replace("~0", "~")]
        elif isinstance(value, list) and _INDEX.fullmatch(step):
            value = value[int(step)]
        else:
            raise LookupError(step)
    return value
