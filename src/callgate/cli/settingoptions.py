"""Options that set what `[models.NAME]` and `[accounts.NAME]` can say."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from typing import Any, NamedTuple, TypeVar

import click

from callgate.cli.options import REMOVED, dollars, label

F = TypeVar("F", bound=Callable[..., Any])

_COUNT, _SIZE = click.IntRange(1, 10**9), click.IntRange(0, 10**9)
_LONGEST = 1000
_BOTH = ("none", "default")


class Said(NamedTuple):
    """What an option says: a value, None for none at all, REMOVED for the configuration's."""

    value: Any


class Setting(NamedTuple):
    """A setting and its option. `words` may stand in place of a value: `none`, `default`."""

    field: str
    option: str
    kind: Callable[[str], Any]
    metavar: str
    help: str
    words: tuple[str, ...] = ("default",)
    several: bool = False


def text(given: str) -> str:
    """Printable text of at most 1,000 characters."""
    given = given.strip()
    if len(given) > _LONGEST or not given.isprintable():
        raise click.BadParameter("give at most 1000 printable characters")
    return given


def yes_or_no(given: str) -> bool:
    """`yes` or `no`."""
    known = {"yes": True, "no": False}
    if given.strip().lower() not in known:
        raise click.BadParameter(f"{given!r}: expected yes or no")
    return known[given.strip().lower()]


def calendar_day(given: str) -> str:
    """A day such as `2027-01-31`."""
    try:
        return date.fromisoformat(given.strip()).isoformat()
    except ValueError:
        raise click.BadParameter(f"{given!r} is not a date; write 2027-01-31") from None


def rates(given: str) -> dict[str, float]:
    """`input=2.50,output=10`, US dollars per million tokens by the names of the configuration."""
    found: dict[str, float] = {}
    for part in given.split(","):
        name, _, number = part.strip().partition("=")
        try:
            found[name] = float(number)
            if not math.isfinite(found[name]):
                raise ValueError
        except ValueError:
            raise click.BadParameter(
                f"{part!r}: write input=2.50,output=10, in US dollars per million tokens"
            ) from None
    return found


def way(given: str) -> dict[str, Any]:
    """`PROVIDER`, `PROVIDER/NAME`, with a weight `PROVIDER/NAME=3`, `,worldwide` behind each; NAME
    may have slashes.
    """
    text, comma, mark = given.strip().partition(",")
    path, equals, weight = text.strip().rpartition("=")
    provider, _, name = (path if equals else text.strip()).partition("/")
    try:
        heavy = float(weight) if equals else 1.0
    except ValueError:
        heavy = 0.0
    if not provider or not 0 < heavy <= 1000 or (comma and mark.strip() != "worldwide"):
        raise click.BadParameter(
            f"{given!r}: write PROVIDER/NAME or PROVIDER/NAME=3, up to 1000, with ,worldwide "
            "behind it where it may be served anywhere"
        )
    found = {"provider": provider, "upstream_model": name, "weight": heavy}
    return {**found, "worldwide": True} if comma else found


TOKENS_PER_MINUTE = Setting(
    "tokens_per_minute", "--tokens-per-minute", _COUNT, "N",
    "Limit the account to N tokens per 60 seconds, over all models.", _BOTH,
)  # fmt: skip
BUDGETS = (
    Setting(
        "budget_day", "--budget-day", dollars, "USD", "What it may spend per day (UTC).", _BOTH
    ),
    Setting("budget_month", "--budget-month", dollars, "USD", "The same per month (UTC).", _BOTH),
)
OF_ACCOUNTS = (TOKENS_PER_MINUTE, *BUDGETS)
DEPLOYMENT = Setting(
    "deployments", "--deployment", way, "PROVIDER[/NAME][=W][,worldwide]",
    "A deployment: provider, its name for the model, weight, whether it is used for requests with "
    '`model_region` "global" alone. Repeatable.', several=True,
)  # fmt: skip
PROVIDER = Setting(
    "provider", "--provider", label, "NAME", "The configured provider that serves it."
)
UPSTREAM_MODEL = Setting(
    "upstream_model", "--upstream-model", label, "NAME", "The provider's own name for it."
)
OF_MODELS = (
    Setting(
        "rate_limit", "--rate-limit", _COUNT, "N", "Requests per 60 seconds and account."
    ),
    Setting(
        "token_limit", "--token-limit", _COUNT, "N", "Tokens per 60 seconds and account.", _BOTH
    ),
    Setting(
        "budget_day", "--budget-day", dollars, "USD",
        "What an account may spend on it per day (UTC).", _BOTH,
    ),
    Setting("budget_month", "--budget-month", dollars, "USD", "The same per month (UTC).", _BOTH),
    Setting(
        "price", "--price", rates, "RATES",
        "input=2.50,output=10,…: US dollars per million tokens; none: the list price.", _BOTH,
    ),
    Setting(
        "fallbacks", "--fallback", label, "NAME",
        "A model to try when it fails. Repeatable.", _BOTH, several=True,
    ),
    Setting("offered", "--offered", yes_or_no, "yes|no", "Whether it can be called at all."),
    Setting(
        "retirement_date", "--retirement-date", calendar_day, "DATE", "The day it is refused from."
    ),
    Setting("successor", "--successor", label, "NAME", "What its callers are told to use then."),
    Setting("hedge", "--hedge", yes_or_no, "yes|no", "Whether to ask a second target if slow."),
    Setting("display_name", "--display-name", text, "TEXT", "The name that people see."),
    Setting("description", "--description", text, "TEXT", "One sentence."),
    Setting("context_length", "--context-length", _SIZE, "N", "Tokens of prompt and answer."),
    Setting("max_output_tokens", "--max-output-tokens", _SIZE, "N", "Tokens of the answer."),
)  # fmt: skip


def setting_options(settings: Iterable[Setting], *, fresh: bool = False) -> Callable[[F], F]:
    """Give the command an option for each, a `Said` or None; for what is `fresh`, no `default`."""

    def decorate(function: F) -> F:
        for one in reversed(list(settings)):
            words = [word for word in one.words if not (fresh and word == "default")]
            function = click.option(
                one.option,
                one.field,
                type=_said(one, words),
                multiple=one.several,
                metavar="|".join((one.metavar, *words)),
                help=one.help,
            )(function)
        return function

    return decorate


def edits(given: Mapping[str, Said | Sequence[Said] | None]) -> dict[str, Any]:
    """What is to be set, by the settings' names: a value, None or REMOVED.

    Raises UsageError where a word and a value are given for one setting.
    """
    found: dict[str, Any] = {}
    for name, said in given.items():
        if isinstance(said, Said):
            found[name] = said.value
        elif said:
            values = [one.value for one in said]
            found[name] = values
            if None in values or REMOVED in values:
                if len(values) > 1:
                    raise click.UsageError(
                        f"{name}: 'none' and 'default' cannot be combined with other values"
                    )
                found[name] = [] if values[0] is None else REMOVED
    return found


def _said(setting: Setting, words: Sequence[str]) -> Callable[[str], Said]:
    meaning = {"none": None, "default": REMOVED}

    def parse(given: str) -> Said:
        word = given.strip().lower()
        return Said(meaning[word] if word in words else setting.kind(given))

    return parse
