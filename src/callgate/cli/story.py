"""A story as text for a terminal: plain lines, bars to scale, as wide as the terminal is."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Sequence

import click

from callgate.cli.output import moment, printable
from callgate.support.story import Fact, Step, Story
from callgate.support.timeline import Band, bar, duration

_COLOURS = {
    "answered": "green", "refused": "yellow", "abandoned": "yellow", "cut": "red", "failed": "red",
}  # fmt: skip
_SEEN = (
    "answer_diverged", "bad_upstream_reply", "schema_violation", "unrepairable_json",
    "upstream_cut", "upstream_timeout",
)  # fmt: skip
_LABEL = 20
_NARROW, _WIDE = 60, 120

# What fills a bar: connecting, waiting for the answer, receiving it.
_BLOCKS = ("·", "░", "█")
_ASCII = (".", "-", "#")


def tell(story: Story, time: int, *, width: int, blocks: bool = True) -> Iterator[str]:
    """The lines of the story of a request made at `time` (Unix ms).

    `width` is the terminal's, in columns; `blocks` says whether it can show block characters.
    """
    width = min(max(width, _NARROW), _WIDE)
    colour = _COLOURS[story.outcome]
    verdict = click.style(story.outcome.upper(), fg=colour, bold=True)
    yield from _hang(verdict, len(story.outcome) + 2, story.verdict, width)
    if story.message:
        yield from _wrapped("", story.message, width)
    for further in story.errors[1:]:  # the message tells the first
        yield from _wrapped("and", further, width)
    if story.detail:
        yield from _wrapped("for operators", story.detail, width)
    yield from _section("What to do", _advice(story), width)
    yield from _section("Quote to", story.quotes, width)
    if story.steps:
        yield from _attempts(story, width, _BLOCKS if blocks else _ASCII)
    yield from _times(story, width, "█" if blocks else "#")
    yield from _section("Around it", story.around, width)
    yield from _section("Tokens and cost", story.usage, width)
    head = [Fact("request", story.request_id), Fact("time", f"{moment(time)} (UTC)")]
    yield from _section("Asked", [*head, *story.asked], width)
    yield from _section("Notes", [Fact("", note) for note in story.notes], width)


def _advice(story: Story) -> Iterator[Fact]:
    told = (("at fault", story.fault), ("cause", story.cause), ("fix", story.fix))
    for label, value in (*told, ("a retry", story.retry)):
        if value:
            yield Fact(label, value)


def _attempts(story: Story, width: int, fills: Sequence[str]) -> Iterator[str]:
    connecting, waiting, receiving = fills
    yield ""
    legend = f"{connecting} connecting  {waiting} waiting  {receiving} receiving"
    yield click.style("Attempts", bold=True) + f"  0 to {duration(story.total_us)}, {legend}"
    room = width - 22
    for step in story.steps:
        colour = "green" if step.ok else "red"
        yield from _hang(f"  {step.number} ", 4, f"{step.target}: {step.outcome}", width)
        drawn = bar(_bands(step, fills), story.total_us, room)
        yield f"    |{click.style(drawn, fg=colour)}| {duration(step.duration_us):>10}"
        said = (
            Fact(_saying(step), step.said or ""),
            Fact("its reply", step.body or ""),
            Fact("its request id", step.provider_request_id or ""),
            Fact("then", ": ".join(filter(None, (step.decision, step.reason)))),
        )
        for fact in said:
            if fact.value:
                yield from _wrapped(fact.label, fact.value, width, indent=4)


def _saying(step: Step) -> str:
    """Who says what is told of an attempt: the provider, or the gateway of what it saw."""
    seen = not step.status or step.outcome.endswith(_SEEN)
    return "what happened" if seen else "it said"


def _bands(step: Step, fills: Sequence[str]) -> list[Band]:
    start, end = step.started_us, step.started_us + step.duration_us
    bands = [Band(start, end, fills[1])]
    if step.connect_us:
        bands.append(Band(start, start + step.connect_us, fills[0]))
    if step.first_token_us is not None:
        bands.append(Band(start + step.first_token_us, end, fills[2]))
    return bands


def _times(story: Story, width: int, fill: str) -> Iterator[str]:
    if not story.spans:
        return
    yield ""
    yield click.style("Time", bold=True) + f"  {duration(story.total_us)} in all"
    for span in story.spans:
        share = span.us / max(story.total_us, 1)
        drawn = fill * round(share * (width - 44))
        yield f"  {span.name:<24}{duration(span.us):>10}  {share:>4.0%}  {drawn}".rstrip()
    if story.first_token_us is not None:
        yield f"  {'first token after':<24}{duration(story.first_token_us):>10}"


def _section(title: str, facts: Iterable[Fact], width: int) -> Iterator[str]:
    facts = list(facts)
    if not facts:
        return
    yield ""
    yield click.style(title, bold=True)
    for fact in facts:
        yield from _wrapped(fact.label, fact.value, width)


def _wrapped(label: str, value: str, width: int, indent: int = 2) -> Iterator[str]:
    """A label and its value, the value wrapped in a column of its own."""
    label = printable(label, _LABEL - 2)
    room = _LABEL if label else 0
    lead = " " * indent + (f"{label:<{room}}" if label else "")
    yield from _hang(click.style(lead, dim=True) if label else lead, indent + room, value, width)


def _hang(lead: str, indent: int, text: str, width: int) -> Iterator[str]:
    lead_width = len(click.unstyle(lead))
    lead += " " * (indent - lead_width)
    lines = textwrap.wrap(
        printable(text),
        width=max(width, indent + 20),
        initial_indent=" " * max(indent, lead_width),
        subsequent_indent=" " * indent,
        break_on_hyphens=False,
    )
    for number, line in enumerate(lines):
        yield lead + line[max(indent, lead_width) :] if number == 0 else line
