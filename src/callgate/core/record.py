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
"""The note of an answer that is a refusal of the model's own."""

LEFT_ALONE = "left alone: "
"""What the note begins with that names the deployments which were not asked."""


class Attempt(Struct, kw_only=True, omit_defaults=True, gc=False):
    """One try at one deployment. Times are microseconds; `started_us` counts from the request.

    `error` is a type of the taxonomy; `message` and `body` (the first 2 KB of a reply that made no
    sense) are redacted; `decision` is what was done next and `reason` why. `usage` is what
    the attempt used of its own where several have made up the answer.
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
    """Where a streamed answer broke off and another attempt went on with it.

    `characters` of the answer's text had been delivered before; `attempt` is the place in
    `attempts`, from 0, of the one that went on; `way` is `prefill` where it was given the beginning
    to go on from, `match` where it answered from the start and began with exactly that.
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

    `parameters` is the request without `messages` and `prompt`, and of long ones without the
    largest (see `core.omitting`); `prompt_sha256` is the hash of messages or prompt as received, so
    that equal ones can be told without keeping any; `cost_usd` is None where no price is known;
    `queue_us` is the wait for a place in the worker, `paused_us` the waits before attempts were
    repeated: with `upstream_us` and `gateway_us` they make up `total_us`; `errors` lists what was
    wrong with a request, the first 20 things, where there were several; `cause` and `fix` are kept
    where they differ from the taxonomy's; `captured` says where the payloads are kept, as
    `machine:file`, the file in that machine's folder of captures.
    `quota_left` of `quota_limit` requests were left in the account's window for `quota_model`, when
    this one had been admitted or refused, until `quota_until` (Unix milliseconds).
    What lists, totals and metrics need stands first, up to `region`, which bears the `MARK`.
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
