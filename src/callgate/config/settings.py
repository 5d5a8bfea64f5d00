"""The configuration file's shape: one struct per table, every field with its default.

Field names are the file's own keys. What `docs/configuration.md` says of each is held against this
module by a test.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from msgspec import Meta, Struct

from callgate.core.breaker import BreakerSettings
from callgate.core.retry import Budget
from callgate.upstream.settings import UpstreamSettings

Region = Annotated[str, Meta(pattern="^[a-z0-9][a-z0-9-]{0,31}$")]
Port = Annotated[int, Meta(ge=0, le=65535)]
Count = Annotated[int, Meta(ge=1)]
Seconds = Annotated[float, Meta(gt=0, le=86400)]
Bytes = Annotated[int, Meta(ge=1024)]
Dollars = Annotated[float, Meta(ge=0.000001, le=1_000_000)]
"""A budget. Counted in billionths of a dollar, of which it has to be some at least."""

_BREAKER = BreakerSettings()
_BUDGET = Budget()
_UPSTREAM = UpstreamSettings()


class _Table(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A TOML table."""


class ServerTable(_Table, frozen=True):
    """The door. Sizes in bytes, times in seconds."""

    host: str = "127.0.0.1"
    port: Port = 8080
    workers: Annotated[int, Meta(ge=1, le=256)] = 1
    max_requests: Count = 10_000
    max_queue: Annotated[int, Meta(ge=0, le=1_000_000)] = 1000
    queue_timeout: Seconds = 10.0
    max_body_bytes: Bytes = 20_000_000
    max_header_bytes: Bytes = 65_536
    head_timeout: Seconds = 30.0
    body_timeout: Seconds = 60.0
    write_timeout: Seconds = 60.0
    keep_alive: Seconds = 75.0
    drain: Seconds = 30.0
    hang_timeout: Annotated[float, Meta(ge=0, le=86400)] = 60.0
    access_log: bool = False
    trusted_proxies: list[str] = []


class UpstreamTable(_Table, frozen=True):
    """Connections to providers. Counts are per worker and host, sizes bytes, times seconds."""

    max_connections: Count = _UPSTREAM.max_connections_per_origin
    max_idle_connections: Count = _UPSTREAM.max_idle_per_origin
    idle_expiry: Seconds = _UPSTREAM.idle_expiry
    max_age: Seconds = _UPSTREAM.max_age
    max_body_bytes: Bytes = _UPSTREAM.max_body_bytes


class RetryTable(_Table, frozen=True):
    """How much one request may try after failures of providers. Times in seconds."""

    per_target: Annotated[int, Meta(ge=1, le=10)] = _BUDGET.per_target
    attempts: Annotated[int, Meta(ge=1, le=50)] = _BUDGET.attempts
    seconds: Seconds = _BUDGET.seconds
    base: Seconds = _BUDGET.base
    longest: Seconds = _BUDGET.longest
    retry_after: Seconds = _BUDGET.retry_after


class BreakerTable(_Table, frozen=True):
    """When a failing deployment is left alone. Times in seconds; `ratio` of failures to calls."""

    ratio: Annotated[float, Meta(gt=0, le=1)] = _BREAKER.ratio
    calls: Count = _BREAKER.calls
    window: Seconds = _BREAKER.window
    pause: Seconds = _BREAKER.pause


class StreamsTable(_Table, frozen=True):
    """What becomes of streams that break off."""

    mid_stream: Literal["continue", "error"] = "continue"


class StoreTable(_Table, frozen=True):
    """Where keys and records live. `url` empty means SQLite in the data folder."""

    url: str = ""
    retention_days: Annotated[int, Meta(ge=1, le=36500)] = 30


class CountersTable(_Table, frozen=True):
    """Where limits are counted: `memory:` for the workers of one machine, else a Redis.

    `timeout` is how many seconds a request waits for that one.
    """

    url: str = "memory:"
    timeout: Annotated[float, Meta(ge=0.01, le=10)] = 0.05


class SupportTable(_Table, frozen=True):
    """Whom callers are told to ask, and where they may read more."""

    contact: str = ""
    status_url: str = ""
    docs_url: str = ""


class JournalTable(_Table, frozen=True):
    """When the disk has to have a record: `never` leaves it to the operating system."""

    fsync: Literal["never", "second", "always"] = "never"


class TracesTable(_Table, frozen=True):
    """Where traces go, as OTLP over HTTP: nowhere, unless an `endpoint` is named.

    `content`: also what was said, of requests whose payloads are captured.
    """

    endpoint: str = ""
    headers: dict[str, str] = {}
    share: Annotated[float, Meta(ge=0, le=1)] = 1.0
    service_name: str = "callgate"
    content: bool = False


class MetricsTable(_Table, frozen=True):
    """`GET /metrics`: whether it is there, and the token that a scraper has to carry, if any."""

    enabled: bool = True
    token: str = ""


class CaptureTable(_Table, frozen=True):
    """Whether prompts and answers are kept, for how long, and how much. Sizes in bytes."""

    payloads: Literal["none", "errors", "all"] = "none"
    header: bool = True
    retention_days: Annotated[int, Meta(ge=1, le=36500)] = 7
    max_bytes: Bytes = 4 * 2**20
    max_total_bytes: Bytes = 2**30


class TimeoutsTable(_Table, frozen=True):
    """Seconds to wait for each phase of a call; `config.timeouts` has what stands for None."""

    connect: Seconds | None = None
    headers: Seconds | None = None
    first_token: Seconds | None = None
    silence: Seconds | None = None
    total: Seconds | None = None


class ProviderTable(_Table, frozen=True):
    """One account with one vendor. The table's name picks the vendor where it is a known one.

    What stands between `weights` and `ca_file` is for AWS, Azure and Google alone.
    """

    dialect: str | None = None
    base_url: str = ""
    api_key: str = ""
    weights: str = ""
    region: str = ""
    access_key_id: str = ""
    session_token: str = ""
    api_version: str = ""
    project: str = ""
    location: str = ""
    credentials_file: str = ""
    guardrail_identifier: str = ""
    guardrail_version: str = ""
    guardrail_trace: str = ""
    ca_file: str = ""
    price_factor: Annotated[float, Meta(gt=0, le=100)] = 1.0
    prefill: Literal["", "none", "assistant", "prefix", "partial", "continue_final_message"] = ""
    responses: bool | None = None
    timeouts: TimeoutsTable = TimeoutsTable()


class DeploymentTable(_Table, frozen=True):
    """One of several ways to a model."""

    provider: str
    upstream_model: str = ""
    weight: Annotated[float, Meta(gt=0, le=1000)] = 1.0
    worldwide: bool = False


class DefaultParametersTable(_Table, frozen=True):
    """What a parameter is where the request leaves it out, as far as the provider says."""

    temperature: float | None = None
    top_p: float | None = None
    frequency_penalty: float | None = None


Rate = Annotated[float, Meta(ge=0, le=1_000_000)]
Length = Annotated[str, Meta(pattern="^[1-9][0-9]{0,8}$")]
"""A number of tokens; keys are strings in TOML."""


class RatesTable(_Table, frozen=True):
    """US dollars per million tokens, for the web per thousand searches."""

    input: Rate | None = None
    output: Rate | None = None
    cached_input: Rate | None = None
    cache_write: Rate | None = None
    cache_write_1h: Rate | None = None
    input_audio: Rate | None = None
    output_audio: Rate | None = None
    output_image: Rate | None = None
    reasoning: Rate | None = None
    web_search: Rate | None = None


class PriceTable(_Table, frozen=True):
    """What a model costs, in place of list prices: US dollars per million tokens."""

    input: Rate
    output: Rate
    cached_input: Rate | None = None
    cache_write: Rate | None = None
    cache_write_1h: Rate | None = None
    input_audio: Rate | None = None
    output_audio: Rate | None = None
    output_image: Rate | None = None
    reasoning: Rate | None = None
    web_search: Rate | None = None
    longer: dict[Length, RatesTable] = {}
    tiers: dict[str, RatesTable] = {}


class ModelTable(_Table, frozen=True):
    """A model; what is left out comes from the catalogue, if it knows the name."""

    provider: str = ""
    upstream_model: str = ""
    deployments: list[DeploymentTable] = []
    display_name: str | None = None
    description: str | None = None
    creator: str | None = None
    context_length: Annotated[int, Meta(ge=0)] | None = None
    max_output_tokens: Annotated[int, Meta(ge=0)] | None = None
    regions: list[Region] | None = None
    rate_limit: Count = 30
    token_limit: Count | None = None
    budget_day: Dollars | None = None
    budget_month: Dollars | None = None
    input_modalities: list[str] | None = None
    output_modalities: list[str] | None = None
    supported_parameters: list[str] | None = None
    default_parameters: DefaultParametersTable | None = None
    retirement_date: date | None = None
    successor: str | None = None
    fallbacks: list[str] = []
    price: PriceTable | None = None
    hedge: bool = False
    offered: bool = True
    timeouts: TimeoutsTable = TimeoutsTable()


class AccountTable(_Table, frozen=True):
    """What one account may use over all models and keys; `"*"` is whoever has no table."""

    tokens_per_minute: Count | None = None
    budget_day: Dollars | None = None
    budget_month: Dollars | None = None


class BudgetsTable(_Table, frozen=True):
    """When a budget counts as nearly spent, as a share of it."""

    warn_at: Annotated[float, Meta(gt=0, le=1)] = 0.8


class Settings(_Table, frozen=True):
    """The whole file. `data_dir` is relative to the file's own folder."""

    region: Region = "us"
    data_dir: str = "callgate-data"
    catalogue: bool = True
    region_endpoints: dict[Region, str] = {}
    server: ServerTable = ServerTable()
    upstream: UpstreamTable = UpstreamTable()
    retry: RetryTable = RetryTable()
    breaker: BreakerTable = BreakerTable()
    streams: StreamsTable = StreamsTable()
    store: StoreTable = StoreTable()
    counters: CountersTable = CountersTable()
    support: SupportTable = SupportTable()
    capture: CaptureTable = CaptureTable()
    journal: JournalTable = JournalTable()
    metrics: MetricsTable = MetricsTable()
    traces: TracesTable = TracesTable()
    providers: dict[str, ProviderTable] = {}
    models: dict[str, ModelTable] = {}
    accounts: dict[str, AccountTable] = {}
    budgets: BudgetsTable = BudgetsTable()
