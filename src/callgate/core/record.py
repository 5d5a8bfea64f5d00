"""The record of one request: the whole story that its `request_id` leads to.

Nothing here can refer to what it is a part of, so the garbage collector need not look at it.

Records outlive the version that wrote them, and an older one may read them beside it. So a field
keeps its name and type, a new one has a default, and words such as `error` are any text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Raw, Struct

from callgate.core.chat import Usage
from callgate.core.trace import TraceContext


class Mending(Struct, kw_only=True, omit_defaults=True):
    """What a step of `post_processing_steps` changed: `where` in the answer, and `what` it did.

    Sizes are in bytes. The text itself is not kept.
    """

    step: str
    where: str
    what: list[str]
    bytes_before: int
    bytes_after: int


COUNTED_ALONE = "limits were counted by this process alone, within its share of them"
"""The note of a request whose limits the others could not be asked about."""

BUDGET_LOW = "budget nearly spent: "
"""What the note begins with that tells of a budget from whose warning on there is little left."""

BEGUN = "the response had begun with status 200; the error was sent in-band"
"""The note of a stream that failed after its head had been sent: its `status` is the error's."""

NO_REASON = "the provider ended the answer without a finish reason"
"""The note of a stream with the mark of its end alone, from a server that need not say more."""

DECLINED = "the model declined to answer"
"""The note on an answer in which the model itself refused."""

LEFT_ALONE = "left alone: "
"""The beginning of the note that names the deployments which were not asked."""


class Attempt(Struct, kw_only=True, omit_defaults=True, gc=False):
    """One try at one deployment. Times are microseconds; `started_us` counts from the request.

    `error` is a type of the taxonomy; `message` and `body` (the first 2 KB of an unintelligible
    reply) are redacted; `decision` is what was done next and `reason` why. `usage` is the attempt's
    own share if several attempts made up the answer.
    """

    model: str
    provider: str
    deployment: str = ""
    error: str | None = None
    upstream_model: str
    started_us: int
    host: str = ""
    duration_us: int = 0
    connect_us: int | None = None
    headers_us: int | None = None
    first_token_us: int | None = None
    status: int | None = None
    provider_request_id: str | None = None
    message: str | None = None
    body: str | None = None
    decision: str = ""
    reason: str = ""
    usage: Usage | None = None
    post_processing: Sequence[Mending] = ()


class Splice(Struct, kw_only=True):
    """A point at which a streamed answer broke off and another attempt continued it.

    `characters` of the answer's text had been delivered before; `attempt` is the index in
    `attempts` of the one that continued; `way` is `prefill` if it was given the beginning to
    continue, `match` if it answered from the start and began with exactly that text.
    """

    characters: int
    attempt: int
    way: str


class OmittedParameters(Struct, kw_only=True):
    """Parameters that were too long to be kept: how many, their bytes, the largest ones' names."""

    count: int
    bytes: int
    names: Sequence[str]


MARK = b"\t"
"""What a writer puts behind `region`, white space to JSON: the clerk reads no further. No string
bears it, since JSON escapes it there, and nothing that stands before is taken over as it came.
"""


def marked(region: str) -> Any:
    """The region of records to be written, with the `MARK` behind it."""
    return Raw(msgspec.json.encode(region) + MARK)


class Timed(Struct):
    """When a record's request arrived, where nothing else of it is wanted; Unix ms."""

    time: int


class Record(Struct, kw_only=True, omit_defaults=True, gc=False):
    """What is kept of a request. `time` is Unix milliseconds, durations are microseconds.

    - `parameters`: the request without `messages` and `prompt`; if too long, without the largest
      fields, too (see `core.omitting`).
    - `prompt_sha256`: the hash of messages or prompt as received, by which equal prompts are
      recognised without being kept.
    - `cost_usd`: None if no price is known.
    - `queue_us`, `paused_us`: the waits for a place in the worker, and before retries; with
      `upstream_us` and `gateway_us` they add up to `total_us`.
    - `errors`: the first 20 mistakes, if a request had several; `cause` and `fix`: only if they
      differ from the taxonomy's.
    - `captured`: where payloads are kept, as `machine:file`, relative to that machine's folder of
      captures.
    - `quota_left`: how many of `quota_limit` requests were left in the account's window for
      `quota_model`, after this one was admitted or refused, until `quota_until` (Unix ms).

    The fields that lists, totals and metrics need come first, up to `region`, which carries the
    `MARK`.
    """

    request_id: str
    time: int
    status: int
    account: str | None = None
    key_id: str | None = None
    model: str | None = None
    model_served: str | None = None
    provider: str | None = None
    stream: bool = False
    error: str | None = None
    usage: Usage | None = None
    cost_usd: float | None = None
    total_us: int = 0
    upstream_us: int = 0
    first_token_us: int | None = None
    gateway_us: int = 0
    attempts: list[Attempt] = []
    notes: Sequence[str] = ()
    region: str
    method: str
    path: str
    client_request_id: str | None = None
    user_agent: str | None = None
    client: str | None = None
    parameters: Mapping[str, Raw] | None = None
    parameters_omitted: OmittedParameters | None = None
    message_count: int = 0
    prompt_bytes: int = 0
    prompt_sha256: str | None = None
    response_bytes: int = 0
    finish_reason: str | None = None
    native_finish_reason: str | None = None
    origin: str | None = None
    message: str | None = None
    param: str | None = None
    errors: Sequence[str] = ()
    detail: str | None = None
    cause: str | None = None
    fix: str | None = None
    quota_model: str | None = None
    quota_limit: int | None = None
    quota_left: int | None = None
    quota_until: int | None = None
    queue_us: int = 0
    paused_us: int = 0
    captured: str | None = None
    splices: Sequence[Splice] = ()
    trace: TraceContext | None = None
