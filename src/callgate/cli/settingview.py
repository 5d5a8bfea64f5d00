"""What is in effect of a model or an account, and where each value comes from, for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import click
import msgspec

from callgate.cli.output import printable
from callgate.config import Config
from callgate.config.overlay import Overlaid, models_of
from callgate.config.settings import AccountTable
from callgate.core.allowance import EVERYONE
from callgate.core.models import Model
from callgate.core.price import RATES, Price

STORE, CONFIGURATION, DEFAULT = "store", "configuration", "default"
UNSERVED = "needs one of its providers"
_OF_A_MODEL = (
    "rate_limit", "token_limit", "budget_day", "budget_month", "price", "fallbacks", "hedge",
    "retirement_date", "successor", "context_length", "max_output_tokens", "display_name",
    "description",
)  # fmt: skip
_WAYS = {"provider", "upstream_model", "deployments"}


class Value(NamedTuple):
    """A setting in effect, where it is from, and what it would be without the store.

    `account` is whose it is, where an account goes by another's: by that of everyone.
    """

    value: Any
    source: str
    configured: Any
    account: str | None = None

    def whence(self) -> str:
        """Where it is from, in words."""
        return self.source if self.account is None else f"{self.source}, for everyone"


Values = Mapping[str, Value]


def of_model(name: str, config: Config, effect: Overlaid) -> Values:
    """The settings of a model; none at all for an unknown one."""
    given = effect.of("model").get(name, {})
    plain, fresh = _facts(name, config), _facts(name, effect.config)
    values = {}
    for field in {**plain, **fresh}:
        value, configured = fresh.get(field), plain.get(field)
        named = not _WAYS.isdisjoint(given) if field == "deployments" else field in given
        source = CONFIGURATION if plain else DEFAULT
        if named or (plain and value != configured):
            source = STORE
        values[field] = Value(value, source, configured)
    return values


def state_of(name: str, config: Config) -> str:
    """`served`, or why not."""
    if name in config.models:
        return "served"
    table = config.settings.models.get(name)
    if table is not None and not table.offered:
        return "not offered"
    absent = config.directory.absent(name)
    if absent is not None and absent.retired:
        return "retired"
    if absent is not None and absent.regions and config.region not in absent.regions:
        return f"not in region {config.region}"
    return UNSERVED


def of_account(name: str, config: Config, effect: Overlaid) -> Values:
    """The limits of an account."""
    given = effect.of("account")
    plain, fresh = config.settings.accounts, effect.config.settings.accounts
    values = {}
    for field in AccountTable.__struct_fields__:
        value = getattr(fresh.get(name) or fresh.get(EVERYONE), field, None)
        configured = getattr(plain.get(name) or plain.get(EVERYONE), field, None)
        own = field in given.get(name, {}) or name in plain or name == EVERYONE or value is None
        whose = name if own else EVERYONE
        source = STORE if field in given.get(whose, {}) else CONFIGURATION
        values[field] = Value(value, source, configured, None if own else EVERYONE)
    return values


def differing(before: Values, after: Values) -> Iterator[tuple[str, Value, Value]]:
    """The settings that are another, or from elsewhere, with what they were and are."""
    nothing = Value(None, CONFIGURATION, None)
    for field in {**before, **after}:
        was, now = before.get(field, nothing), after.get(field, nothing)
        if (was.value, was.whence()) != (now.value, now.whence()):
            yield field, was, now


def told(before: Values, after: Values) -> dict[str, Any]:
    """The settings and what has changed of them, as JSON."""
    return {
        "changed": {
            field: {"from": plain(was.value), "to": plain(now.value)}
            for field, was, now in differing(before, after)
        },
        "settings": {
            field: {
                "value": plain(one.value),
                "source": one.source,
                "configured": plain(one.configured),
                **({} if one.account is None else {"account": one.account}),
            }
            for field, one in after.items()
        },
    }


def tell_changes(before: Values, after: Values) -> None:
    """Print a line for each setting that has changed, unless all of them are new or gone."""
    if not before or not after:
        return
    for field, was, now in differing(before, after):
        from_, to = (f"{spoken(one.value)} ({one.whence()})" for one in (was, now))
        click.echo(f"  {_words(field)}: {from_} -> {to}")


def tell_all(values: Values) -> None:
    """Print what is in effect and where it comes from."""
    width = max(len(_words(field)) for field in values)
    for field, one in values.items():
        source = one.whence()
        if one.source == STORE and (one.configured is not None or one.value is None):
            source += f"; configuration: {spoken(one.configured)}"
        click.echo(f"  {_words(field):<{width}}  {spoken(one.value)}  [{source}]")


def plain(value: Any) -> Any:
    """A value as JSON has it."""
    return _rates(value) if isinstance(value, Price) else msgspec.to_builtins(value)


def spoken(value: Any) -> str:
    """A value in a line."""
    if value is None or value in ("", ()):
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Price):
        found = (
            f"{name}={rate:g}" for name, rate in _rates(value).items() if isinstance(rate, float)
        )
        return ",".join(found)
    if isinstance(value, tuple | list):
        return printable(", ".join(map(str, value)), 300)
    return f"{value:g}" if isinstance(value, float) else printable(str(value), 300)


def _facts(name: str, config: Config) -> dict[str, Any]:
    model: Model | None = models_of(config).get(name)
    if model is None:
        return {}
    table = config.settings.models.get(name)
    ways = [
        one.id
        + ("" if one.weight == 1 else f"={one.weight:g}")
        + (" (worldwide)" if one.worldwide else "")
        for one in model.deployments
    ]
    return {
        "offered": table is None or table.offered,
        "deployments": tuple(ways),
        **{field: getattr(model, field) for field in _OF_A_MODEL},
    }


def _rates(price: Price) -> dict[str, Any]:
    found: dict[str, Any] = {
        name: rate for name in RATES if (rate := getattr(price, name)) is not None
    }
    if price.longer:
        found["longer"] = {str(length): _rates(dearer) for length, dearer in price.longer.items()}
    if price.tiers:
        found["tiers"] = {name: _rates(tier) for name, tier in price.tiers.items()}
    return found


def _words(field: str) -> str:
    return field.replace("_", " ")
