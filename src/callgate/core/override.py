"""What an operator has set while gateways run, in place of what the configuration says."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

Kind = Literal["model", "account"]


class Override(Struct, frozen=True, kw_only=True):
    """Settings of one model or account. `changed` is Unix milliseconds.

    `settings` is the JSON of an object with what `[models.NAME]` or `[accounts.NAME]` can say. It
    is kept as text: a newer version may have put in what this version does not take.
    """

    kind: str
    name: str
    settings: str
    changed: int
