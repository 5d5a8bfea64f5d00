"""`callgate check`: what is wrong with the set-up, each finding with its fix."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime

import click
import msgspec

from callgate.cli import probes
from callgate.cli.effect import in_effect
from callgate.cli.options import config_option, json_option, now_ms
from callgate.cli.output import json_line, printable
from callgate.cli.settingview import UNSERVED, state_of
from callgate.config import Config
from callgate.config.secrets import secrets_of
from callgate.core.redact import MASK
from callgate.core.secret import Secret
from callgate.support import answers, doctor
from callgate.support.finding import Finding, exit_code

_SHORTEST = 8
"""A known secret of fewer characters might be a part of any word."""
_COLOURS = {"ok": "green", "warning": "yellow", "problem": "red"}


@click.command()
@click.option(
    "--offline", is_flag=True, help="Ask no provider; still check the store and the counters."
)
@config_option
@json_option
def check(*, config: Config, offline: bool, as_json: bool) -> int:
    """Check configuration, gateway, providers, models, clock, store, counters, files and disk.

    Each provider is asked for its list of models, which costs nothing. Exit status: 0, warnings
    included; 1 if there is a problem; 2 if the configuration cannot be used.
    """
    findings = []
    secrets = [one for one in secrets_of(config) if len(one.reveal()) >= _SHORTEST]
    for found in _look(config, offline=offline):
        # Providers' words are redacted where they are read; this holds for whatever slips through.
        finding = msgspec.structs.replace(found, what=_without(found.what, secrets))
        findings.append(finding)
        if as_json:
            json_line(finding)
        else:
            _tell(finding)
    if not as_json:
        count = Counter(finding.state for finding in findings)
        click.echo(
            f"problems: {count['problem']}, warnings: {count['warning']}, in order: {count['ok']}"
        )
    return exit_code(findings)


def _look(config: Config, *, offline: bool) -> Iterator[Finding]:
    effect = in_effect(config)
    yield probes.configuration(effect.config)
    yield from probes.gateway(config)
    yield probes.store(config)
    yield from doctor.of_overrides(
        {kind: len(effect.of(kind)) for kind in ("model", "account")},
        [(one.kind, one.name, one.why) for one in effect.passed],
    )
    config = effect.config
    yield probes.counters(config)
    yield from probes.proxies(config)
    yield from probes.metrics(config)
    yield from probes.files(config)
    yield from probes.extras(config)
    yield from probes.budgeted(config)
    yield from probes.local_model(config)
    models = config.models.values()
    yield from doctor.of_retirements(models, datetime.fromtimestamp(now_ms() / 1000, UTC).date())
    given = config.settings.models
    yield from doctor.of_unserved(name for name in given if state_of(name, config) == UNSERVED)
    used = {deployment.provider for model in models for deployment in model.deployments}
    yield from doctor.of_idle_providers(config.settings.providers, used)
    if not offline and used:
        yield from _asked(config)


def _asked(config: Config) -> Iterator[Finding]:
    # Imported here, because it brings in the whole gateway.
    from callgate.app import ask_providers

    given = asyncio.run(ask_providers(config))
    if any(answer.status is not None for answer in given):
        yield answers.of_clock(given)
    for answer in given:
        yield from answers.of_answer(answer, config.settings.models)


def _without(text: str, secrets: list[Secret]) -> str:
    for secret in secrets:
        text = text.replace(secret.reveal(), MASK)
    return text


def _tell(finding: Finding) -> None:
    state = click.style(f"{finding.state:<8}", fg=_COLOURS[finding.state])
    click.echo(f"{state} {printable(finding.part)}: {printable(finding.what)}")
    if finding.fix:
        click.echo(f"         fix: {printable(finding.fix)}")
