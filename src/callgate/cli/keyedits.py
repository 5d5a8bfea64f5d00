"""What is to be changed of a key, and the key with that changed. No I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

import msgspec
from msgspec import Struct

from callgate.cli.keyview import state
from callgate.cli.options import REMOVED, Failure, Removed
from callgate.cli.output import printable
from callgate.core.allowance import Allowance
from callgate.core.captured import KeyMode
from callgate.store.base import Key

V = TypeVar("V")


class Edits(Struct, frozen=True, kw_only=True):
    """What to change of a key. None: leave it; REMOVED: take it away.

    `only` are the models that it may use from now on, `add` and `drop` some more and some fewer.
    """

    name: str | None
    expires: int | Removed | None
    only: Sequence[str] | Removed | None
    add: Sequence[str]
    drop: Sequence[str]
    limits: Mapping[str, int | Removed]
    token_limits: Mapping[str, int | Removed]
    tokens_per_minute: int | Removed | None
    budget_day: float | Removed | None
    budget_month: float | Removed | None
    capture: KeyMode | Removed | None


def edited(key: Key, edits: Edits, now: int) -> Key:
    """The key as the edits make it. Raises Failure for what cannot be."""
    if state(key, now) == "revoked":
        raise Failure(
            f"{key.id} cannot be changed: it is revoked", "Make a new key: callgate keys create"
        )
    own = key.allowance or Allowance()
    allowance = Allowance(
        tokens_per_minute=_chosen(own.tokens_per_minute, edits.tokens_per_minute),
        budget_day=_chosen(own.budget_day, edits.budget_day),
        budget_month=_chosen(own.budget_month, edits.budget_month),
        token_limits=_merged(own.token_limits, edits.token_limits),
    )
    return msgspec.structs.replace(
        key,
        name=edits.name or key.name,
        expires=_chosen(key.expires, edits.expires),
        models=_models(key, edits),
        limits=_merged(key.limits, edits.limits),
        capture=_chosen(key.capture, edits.capture),
        allowance=None if allowance == Allowance() else allowance,
    )


def _models(key: Key, edits: Edits) -> tuple[str, ...] | None:
    if edits.only is REMOVED:
        return None
    if edits.only is not None:
        return tuple(dict.fromkeys(edits.only))
    if not edits.add and not edits.drop:
        return key.models
    if key.models is None:
        raise Failure(
            f"{key.id} may use every model", "Name the models it may use from now on with --model."
        )
    for model in edits.drop:
        if model not in key.models:
            raise Failure(
                f"{key.id} is not allowed model {printable(model, 60)!r} in the first place",
                f"It may use: {printable(', '.join(key.models), 300)}.",
            )
    left = dict.fromkeys([*key.models, *edits.add])
    kept = tuple(model for model in left if model not in edits.drop)
    if not kept:
        raise Failure(
            f"{key.id} would have no model left", f"To end it: callgate keys revoke {key.id}"
        )
    return kept


def _chosen(present: V | None, wanted: V | Removed | None) -> V | None:
    if wanted is None:
        return present
    return None if isinstance(wanted, Removed) else wanted


def _merged(present: Mapping[str, int], wanted: Mapping[str, int | Removed]) -> dict[str, int]:
    merged = {**present, **wanted}
    return {model: limit for model, limit in merged.items() if not isinstance(limit, Removed)}
