"""Setting and taking back what operators set of models and accounts while gateways run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from callgate.cli.opening import opened
from callgate.cli.options import REMOVED, ConfigFailure, Failure, now_ms
from callgate.cli.output import printable
from callgate.config import Config
from callgate.config.overlay import Overlaid, given_in, overlaid
from callgate.core.override import Kind, Override

Given = dict[str, Any]
_encode = msgspec.json.Encoder(order="deterministic").encode


class Change(NamedTuple):
    """What was in effect before and is now; `done` says whether anything was set or taken back."""

    was: Overlaid
    now: Overlaid
    done: bool


def change(
    config: Config, kind: Kind, name: str, edit: Callable[[Overlaid, Override | None], Given | None]
) -> Change:
    """Set what `edit` makes of what is set of this one; None or nothing takes it back.

    It happens in one step or not at all. Raises what `edit` raises, and ConfigFailure where the
    result would be no sound configuration.
    """
    made: list[Change] = []

    def settings(found: Sequence[Override]) -> str | None:
        others = [one for one in found if (one.kind, one.name) != (kind, name)]
        mine = [one for one in found if (one.kind, one.name) == (kind, name)]
        was = overlaid(config, found)
        wanted = edit(was, mine[0] if mine else None)
        text = _encode(wanted).decode() if wanted else None
        fresh = [] if text is None else [Override(kind=kind, name=name, settings=text, changed=0)]
        now = overlaid(config, [*others, *fresh])
        mistakes = [
            why
            for one in now.passed
            if one not in was.passed or (one.kind, one.name) == (kind, name)
            for why in one.why
        ]
        if mistakes:
            raise ConfigFailure("\n".join(mistakes), _allowed(config, mistakes))
        made[:] = [Change(was, now, text != (mine[0].settings if mine else None))]
        return text

    with opened(config) as store:
        store.overrides.change(kind, name, settings, now_ms())
    return made[0]


def edited(override: Override | None, edits: Mapping[str, Any]) -> Given:
    """What is set, with these edits in it; REMOVED takes one out. Raises Failure."""
    merged = {**({} if override is None else _sound(override)), **edits}
    return {name: value for name, value in merged.items() if value is not REMOVED}


def _sound(override: Override) -> Given:
    given, mistakes = given_in(override)
    if mistakes:
        raise Failure(
            f"the settings of {override.kind} {printable(override.name)!r} in the store are "
            "invalid: "
            f"{', '.join(mistakes)}",
            f"Remove them first: callgate {override.kind}s reset {printable(override.name)}",
        )
    return given


def _allowed(config: Config, mistakes: Sequence[str]) -> str:
    """What would be right, as far as it can be listed."""
    if any(": no provider " in one for one in mistakes) and config.providers is not None:
        names = ", ".join(config.providers.names) or "none"
        return f"The configured providers are: {printable(names)}."
    if any(".fallbacks[" in one for one in mistakes):
        return "See 'callgate models --all' for all models."
    return "Nothing was changed."
