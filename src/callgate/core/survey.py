"""What the configured providers say of themselves: whom they let in and which models they serve."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from msgspec import Struct

from callgate.errors import GatewayError

Verdict = Literal["served", "missing", "unknown"]


class Standing(Struct, frozen=True, kw_only=True):
    """Whether a provider serves one configured model.

    `listed_as` is the id under which it was found; `why` the reason of an `unknown`.
    """

    model: str
    upstream_model: str
    verdict: Verdict
    listed_as: str = ""
    why: str = ""


class Answer(Struct, frozen=True, kw_only=True):
    """What came of asking one provider for its list of models.

    `status` is None where no response came; `error` the failure, if any, in the words of the
    taxonomy; `barred` says that the credentials are sound but may not list; `skew` is the
    provider's clock minus ours in seconds, where it told the time; `asked` is false where there is
    no list to ask for.
    """

    provider: str
    host: str
    standings: Sequence[Standing] = ()
    asked: bool = True
    listed: int = 0
    status: int | None = None
    error: GatewayError | None = None
    barred: bool = False
    skew: float | None = None
