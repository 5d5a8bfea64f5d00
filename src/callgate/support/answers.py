"""What the providers' answers say of a gateway's set-up: keys, models, TLS, the clock."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from callgate.core.survey import Answer, Standing
from callgate.errors import GatewayError
from callgate.support.finding import Finding, State, counted, ok, problem, warning

_SKEW_WARNING = 5.0
_SKEW_PROBLEM = 240.0  # AWS refuses a signature that is 300 s off
_UNTRUSTED = ("certificate", "TLS handshake")


class _Row(NamedTuple):
    state: State
    what: str
    fix: str


_BARRED = _Row(
    "warning",
    "accepts the key, but does not let it list models: {detail}",
    "Nothing, if calls succeed; otherwise allow the key to list models.",
)
_REFUSED = _Row(
    "problem",
    "the provider refuses the key: {detail}",
    "Correct the credentials in [providers.{provider}]: create a new key at the provider if this "
    "one has been revoked, and check which account it belongs to.",
)
_DISTRUSTED = _Row(
    "problem",
    "TLS cannot be set up: {detail}",
    "Point SSL_CERT_FILE or SSL_CERT_DIR at the certificate authorities to trust, including that "
    "of any proxy that intercepts TLS; check `base_url` and this machine's clock.",
)
_SENSELESS = _Row(
    "problem",
    "answers with something that is not a list of models: {detail}",
    "Check `base_url` and `dialect` in [providers.{provider}].",
)
_SILENT = _Row(
    "problem",
    "does not answer: {detail}",
    "Check `base_url` in [providers.{provider}], DNS, firewall and the proxy variables "
    "(HTTPS_PROXY, NO_PROXY).",
)
_BUSY = _Row("warning", "cannot give its list right now: {detail}", "Try again later.")
_LISTLESS = _Row(
    "warning",
    "has no list of models at {host}: {detail}",
    "Nothing, if calls succeed: many servers have none. Otherwise check `base_url`.",
)
_LEAVE_IT = (
    "Ask the provider for access, or leave it: only calls of {these} fail. `catalogue = false` "
    "serves configured models alone."
)
_BY_STATUS: Mapping[int, _Row] = MappingProxyType({404: _LISTLESS, 405: _LISTLESS, 501: _LISTLESS})
_BY_KIND: Mapping[str, _Row] = MappingProxyType(
    {
        "upstream_unreachable": _SILENT,
        "upstream_timeout": _SILENT,
        "upstream_cut": _SILENT,
        "provider_rate_limited": _BUSY,
        "provider_unavailable": _BUSY,
    }
)


def of_answer(answer: Answer, named: Collection[str]) -> Iterator[Finding]:
    """The findings on one provider and its models.

    `named` are the models that the operator configured by name; all others are the catalogue's.
    """
    part = f"provider {answer.provider}"
    if answer.error is not None:
        yield _failed(part, answer, answer.error)
    elif answer.asked:
        yield ok(part, f"{answer.host} accepts the key and lists {counted(answer.listed, 'model')}")
    else:
        yield ok(part, "has no list of models to ask for; the key has not been tried")
    missing = [
        one
        for one in answer.standings
        if one.verdict not in ("served", "unknown") and one.model not in named
    ]
    if len(missing) > 1:  # a page of identical findings would hide the others
        yield _of_missing(missing, answer.provider)
    for standing in sorted(answer.standings, key=lambda one: one.model):
        if len(missing) > 1 and standing in missing:
            continue
        if standing.verdict != "unknown" or answer.error is None:
            yield _of_standing(standing, answer.provider, standing.model in named)
    untold = [one.model for one in answer.standings if one.verdict == "unknown"]
    if untold and answer.error is not None:
        yield warning(
            f"models at {answer.provider}",
            f"it is unknown whether these are served: {', '.join(sorted(untold))}",
            f"Fix what is reported of {part}, or try one call.",
        )


def _failed(part: str, answer: Answer, error: GatewayError) -> Finding:
    detail = error.detail or error.message
    if answer.barred:
        row = _BARRED
    elif answer.status in (401, 403):
        row = _REFUSED
    elif answer.status is None and error.kind.type == "provider_credentials":
        return problem(part, f"no credentials are available: {detail}", error.fix)
    elif error.kind.type == "upstream_unreachable" and any(word in detail for word in _UNTRUSTED):
        row = _DISTRUSTED
    else:
        row = _BY_STATUS.get(answer.status or 0) or _BY_KIND.get(error.kind.type, _SENSELESS)
    words = {"detail": detail, "host": answer.host, "provider": answer.provider}
    return Finding(
        part=part, state=row.state, what=row.what.format(**words), fix=row.fix.format(**words)
    )


def _of_standing(standing: Standing, provider: str, named: bool) -> Finding:
    part, upstream = f"model {standing.model}", standing.upstream_model
    if standing.verdict == "served":
        alias = standing.listed_as not in (upstream, f"models/{upstream}")
        shown = f", listed as {standing.listed_as}" if alias else ""
        return ok(part, f"{provider} serves {upstream}{shown}")
    if standing.verdict == "unknown":
        what = f"it is unknown whether {provider} serves {upstream}: {standing.why}"
        return warning(part, what, "Try one call.")
    what = f"{provider} does not serve {upstream}, at least not to this key"
    if named:
        fix = (
            f'Correct `upstream_model` in [models."{standing.model}"] or with `callgate models '
            "set`, or remove the model."
        )
        return problem(part, what, fix)
    return warning(part, what, _LEAVE_IT.format(these="this model"))


def _of_missing(missing: Sequence[Standing], provider: str) -> Finding:
    names = ", ".join(
        one.model if one.model == one.upstream_model else f"{one.model} ({one.upstream_model})"
        for one in sorted(missing, key=lambda one: one.model)
    )
    return warning(
        f"models at {provider}",
        f"{provider} does not serve these models of the catalogue, at least not to this key: "
        f"{names}",
        _LEAVE_IT.format(these="these models"),
    )


def of_clock(answers: Iterable[Answer]) -> Finding:
    """The finding on this machine's clock, compared with the providers'."""
    skews = sorted(answer.skew for answer in answers if answer.skew is not None)
    if not skews:
        return warning(
            "clock", "no provider reported its time, so it cannot be checked", "Run a time service."
        )
    skew = skews[len(skews) // 2]
    if abs(skew) <= _SKEW_WARNING:
        return ok("clock", f"agrees with that of {counted(len(skews), 'provider')}")
    what = f"is {abs(skew):.0f} s {'behind' if skew > 0 else 'ahead of'} the providers' clocks"
    fix = "Set the clock, and keep it right with a time service, such as chrony."
    if abs(skew) < _SKEW_PROBLEM:
        return warning("clock", what, fix)
    return problem("clock", f"{what}: signatures and certificates will be judged wrongly", fix)
