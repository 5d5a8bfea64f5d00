"""What a request and a chunk cost: CPU time of the whole tree, by size of the prompt."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from bench.peers import litellm, portkey, prompt
from bench.report import Figure, Target
from bench.subject import CALLGATE, NGINX, Subject
from bench.testbed import Testbed

_STREAMS = 20
_ROUNDS, _ROUNDS_OF_LARGE = 3, 2
_NGINX = Target(3.0, of_ratio=True)
_RIVALS = {portkey.NAME: Target(1 / 10, of_ratio=True), litellm.NAME: Target(1 / 50, of_ratio=True)}

Rounds = dict[str, list[float]]


def costs(testbed: Testbed, subjects: Sequence[Subject]) -> tuple[list[Figure], Rounds]:
    """Figures for each size, whole and streamed; and the requests per second at full load."""
    figures: list[Figure] = []
    full: Rounds = defaultdict(list)
    for tokens, name in prompt.SIZES.items():
        for chunks in (0, prompt.CHUNKS):
            request, event, rate, errors = _rounds(testbed, subjects, tokens, chunks)
            kind = "streamed" if chunks else "whole"
            figures.append(
                Figure(
                    scenario="peers",
                    metric=f"CPU per request, {name} tokens, {kind}",
                    unit="us",
                    rounds=request,
                    over=request.get(NGINX, ()),
                    target=_NGINX if _judged(tokens, chunks) else None,
                    errors=errors,
                )
            )
            if tokens == 1000 and chunks:
                figures.append(_per("CPU per chunk", event, event.get(NGINX, ()), None))
            if _judged(tokens, chunks):
                full = rate
                figures += [
                    _per(f"CPU per request over {rival}'s", request, request[rival], target)
                    for rival, target in _RIVALS.items()
                    if rival in request
                ]
    return figures, full


def _judged(tokens: int, chunks: int) -> bool:
    return tokens == 1000 and not chunks


def _per(metric: str, rounds: Rounds, over: Sequence[float], target: Target | None) -> Figure:
    ours = rounds if target is None else {CALLGATE: rounds.get(CALLGATE, [])}
    return Figure(scenario="peers", metric=metric, unit="us", rounds=ours, over=over, target=target)


def _rounds(
    testbed: Testbed, subjects: Sequence[Subject], tokens: int, chunks: int
) -> tuple[Rounds, Rounds, Rounds, int]:
    request, event, rate = (defaultdict[str, list[float]](list) for _ in range(3))
    errors = 0
    connections = _STREAMS if chunks else 32
    most = _ROUNDS if tokens == 1000 else _ROUNDS_OF_LARGE
    # Only what a target judges takes as many rounds as confidence needs: there is much to measure.
    count = testbed.extent.rounds if _judged(tokens, chunks) else min(testbed.extent.rounds, most)
    for number in range(count + 1):
        for subject in subjects:
            if not subject.tree:
                continue
            seconds = testbed.extent.seconds if number else testbed.extent.warmup / 2
            asked = prompt.job(
                subject, "closed", seconds, tokens=tokens, chunks=chunks, connections=connections
            )
            before = subject.tree.cpu_ns()
            result = testbed.run(asked)
            errors += result.errors
            subject.tree.settle(quiet=0.4, limit=3)
            spent = (subject.tree.cpu_ns() - before) / 1000
            if number and result.requests:  # the first one warms up
                request[subject.name].append(spent / result.requests)
                event[subject.name].append(spent / max(result.events, 1))
                rate[subject.name].append(result.requests / result.seconds)
    return request, event, rate, errors
