"""The composition root: the one file that knows every room, and what each part is given.

`build_worker` puts together what serves callers in one process; `server.worker` runs it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from importlib.metadata import version

import msgspec
from msgspec import Struct

from callgate.capture.keeper import CaptureKeeper
from callgate.config import Config
from callgate.config.settings import SupportTable
from callgate.config.sources import changed
from callgate.core.allowance import Rule
from callgate.core.limits import beginning
from callgate.core.record import Record
from callgate.core.retry import Budget
from callgate.core.secret import Secret
from callgate.core.survey import Answer
from callgate.effect import Effect
from callgate.engine.accesslog import AccessLog
from callgate.engine.activebudgets import ActiveBudgets
from callgate.engine.admission import Admission
from callgate.engine.checkers import Checkers
from callgate.engine.engine import Engine
from callgate.engine.failover import Failover
from callgate.engine.limitlevels import LimitLevels
from callgate.engine.metering import Metering
from callgate.engine.pricebook import PriceBook
from callgate.engine.seeding import Seeding
from callgate.engine.survey import survey
from callgate.files import Files
from callgate.metrics.gauges import gauges
from callgate.metrics.tally import Snapshot
from callgate.pricekeeper import PriceKeeper
from callgate.readiness import (
    configuration_check,
    counters_check,
    files_check,
    journal_check,
    overrides_check,
    provider_check,
    store_check,
)
from callgate.store.base import Counters, Keys, Store, StoreError
from callgate.store.journal.heldrecords import HeldRecords
from callgate.store.records import Records
from callgate.store.remembered import RememberedKeys, RememberedOverrides
from callgate.store.spending import spent_since
from callgate.support.around import neighbours
from callgate.support.explain import explain, explained, for_caller
from callgate.support.story import ExplainedRecord
from callgate.upstream.client import Client
from callgate.upstream.transport import Transport
from callgate.web.authentication import Authenticator
from callgate.web.chat import Chat
from callgate.web.cold import Cold
from callgate.web.errorpages import ErrorPages
from callgate.web.errorwriter import ErrorWriter
from callgate.web.gate import Gate
from callgate.web.keyring import Companion, Keyring
from callgate.web.lookups import Lookups
from callgate.web.metrics import Metrics
from callgate.web.models import Models
from callgate.web.openapi.document import OpenApi, document
from callgate.web.requests import Requests
from callgate.web.settings import ChatSettings
from callgate.web.status import Status
from callgate.web.taping import Taping
from callgate.world import World, real_world, upstream_settings

REPLAYED = (
    "region", "region_endpoints", "server", "retry", "breaker", "streams", "support", "budgets",
)  # fmt: skip
"""The tables of the configuration that an answer depends on; none holds a secret."""
_LOOK_UP_SECONDS = 2.0


class Worker(Struct):
    """What `server.worker` runs: the gate for callers, and the parts that need a task beside it."""

    gate: Gate
    files: Files
    keyring: Keyring
    client: Transport
    counters: Counters
    seeding: Seeding
    budgets: Callable[[], Iterable[tuple[str, Rule]]]
    limit_levels: LimitLevels
    prices: PriceKeeper
    figures: Callable[[], Snapshot]
    sync_journal: Callable[[], None]
    held_records: HeldRecords


@contextmanager
def build_worker(config: Config, world: World | None = None) -> Iterator[Worker]:
    """Everything that one process needs to serve callers; blocks on the store to read the keys."""
    settings = config.settings
    server, support = settings.server, settings.support
    with ExitStack() as stack:
        world = stack.enter_context(real_world(config)) if world is None else world
        client, journal, counters = world.client, world.journal, world.counters

        # Who may call what: the keys, and the configuration with what operators have set.
        keyring, effect = load_store(world.store, config)
        config = effect.config
        authenticator = Authenticator(keyring, config.region, settings.region_endpoints)

        # How much: limits and budgets.
        book = PriceBook()
        metering = metering_for(config, counters, book)
        spending = partial(spent_since, world.store.requests, config.journal_dir)
        seeding = Seeding(counters, spending)
        metering.on_new_budget = seeding.want
        keyring.on_change = partial(look_at_budgets, ActiveBudgets(), effect, keyring, seeding)
        keyring.on_change()
        limit_levels = LimitLevels(counters, lambda now: metering.met(keyring.all(), now))

        # The engine, from admission to settlement.
        checkers = Checkers()
        admission = Admission(config.directory, counters, config.region, checkers, metering)
        budget = Budget(**msgspec.structs.asdict(settings.retry))
        engine = Engine(
            admission,
            client,
            journal,
            config.region,
            book.price,
            Failover(world.health, budget, admission.reserve, world.chance, world.pause),
            checkers,
            mid_stream=settings.streams.mid_stream,
            access_log=AccessLog(access=server.access_log),
        )

        # The hot path.
        errors = ErrorWriter(
            contact=support.contact, status_url=support.status_url, docs_url=support.docs_url
        )
        keeper = stack.enter_context(closing(keeper_for(config)))
        chat = Chat(
            engine,
            authenticator,
            Taping(keeper, settings.capture.payloads, header=settings.capture.header),
            ChatSettings(
                max_body_bytes=server.max_body_bytes,
                max_requests=server.max_requests,
                max_queue=server.max_queue,
                queue_timeout=server.queue_timeout,
                trace_share=settings.traces.share if settings.traces.endpoint else None,
            ),
            errors,
        )

        # Every other route.
        models = Models(config.directory)
        status = Status(
            [
                store_check(keyring),
                configuration_check(partial(changed, config.sources)),
                overrides_check(effect),
                counters_check(counters),
                journal_check(journal, config.journal_dir),
                provider_check(world.health),
                files_check(world.files),
            ],
            authenticator.key,
        )
        openapi = OpenApi(lambda: describe(effect.config))
        records = Records(world.store.requests, config.journal_dir, patience=_LOOK_UP_SECONDS)
        requests = Requests(
            records,
            partial(explained_to_caller, records, support),
            authenticator,
            stack.enter_context(closing(Lookups())),
            settings.store.retention_days,
        )
        metrics = Metrics(config.metrics_dir, Secret(settings.metrics.token))
        routes = (models, requests, status, openapi, ErrorPages(), metrics)
        cold = Cold([route for part in routes for route in part.routes()], errors)

        price_keeper = PriceKeeper(book, models, config.data_dir / "prices.json")

        def follow(config: Config) -> None:
            """Operators have set something. Calls under way keep the models they have."""
            directory, served = config.directory, config.models.values()
            admission.directory = directory
            metering.follow(config.allowances, served)
            keeper.follow(directory, config.allowances)
            models.follow(directory, book.price)
            openapi.renew()
            world.health.keep({one.id for model in served for one in model.deployments})
            price_keeper.changed.set()

        effect.followers.append(follow)
        yield Worker(
            gate=Gate(chat, cold.app, keeper, errors),
            files=world.files,
            keyring=keyring,
            client=client,
            counters=counters,
            seeding=seeding,
            budgets=lambda: metering.budgets(keyring.all(), effect.config.models.values()),
            limit_levels=limit_levels,
            prices=price_keeper,
            sync_journal=journal.sync,
            held_records=HeldRecords(journal, world.store.requests),
            figures=partial(figures, chat, status, world, limit_levels),
        )


def look_at_budgets(
    active: ActiveBudgets, effect: Effect, keyring: Keyring, seeding: Seeding
) -> None:
    """Tell budgets that have come into force what was spent while they were not."""
    config, now = effect.config, time.time_ns() // 1000
    for account, rule in active.look(config.allowances, config.models.values(), keyring.all()):
        seeding.want(account, rule, beginning(rule.period, now), again=True)


def figures(chat: Chat, status: Status, world: World, limit_levels: LimitLevels) -> Snapshot:
    """What this worker is doing at this moment, for the metrics."""
    now = time.monotonic()
    return gauges(
        in_progress=chat.queue.taken,
        queued=chat.queue.waiting,
        streams=chat.streams,
        circuits=[(name, health.circuit(now)) for name, health in world.health.items()],
        connections=[(origin.netloc, *stats) for origin, stats in world.client.stats().items()],
        outages=world.counters.outages,
        held=world.journal.held,
        lost=world.journal.lost,
        degraded=[finding.part for finding in status.readiness().findings],
        filled=limit_levels.seen,
    )


def keeper_for(config: Config) -> CaptureKeeper:
    """The keeper of captures, which puts into each the settings that a replay needs."""
    settings = config.settings
    replayed = {name: getattr(settings, name) for name in REPLAYED}
    return CaptureKeeper(
        config.capture_dir,
        config.directory,
        msgspec.json.encode(replayed),
        config.allowances,
        gateway=version("callgate"),
        max_bytes=settings.capture.max_bytes,
    )


def load_store(store: Store, config: Config) -> tuple[Keyring, Effect]:
    """Every key, and the configuration in effect: from the store, or as last read if it is away.

    Raises StoreError if it is away and no keys are remembered.
    """
    overrides = RememberedOverrides(config.data_dir / "overrides.json")
    effect = Effect(config, store.overrides, overrides.write)
    keyring = load_keys(store.keys, RememberedKeys(config.data_dir / "keys.json"), effect)
    if keyring.trouble is not None:
        effect.restore(tuple(overrides.read() or ()))
    effect.apply()
    return keyring, effect


def load_keys(
    keys: Keys, remembered: RememberedKeys, companion: Companion | None = None
) -> Keyring:
    """Every key, from the store or, while it is away, as last read.

    Raises StoreError if it is away and nothing is remembered.
    """
    keyring = Keyring(keys, remember=remembered.write, companion=companion)
    try:
        keyring.load()
    except StoreError:
        known = remembered.read()
        if known is None:
            raise
        keyring.restore(known)
    return keyring


def explained_to_caller(records: Records, support: SupportTable, record: Record) -> ExplainedRecord:
    """A record as its caller may see it, explained along with its account's other calls. Blocks."""
    try:
        tallies = records.tally(neighbours(record, record.account))
    except StoreError:
        tallies = []  # the record itself was found, which is what matters
    shown = for_caller(record)
    story = explain(shown, tallies, contact=support.contact, status_url=support.status_url)
    return explained(shown, story)


async def ask_providers(config: Config) -> list[Answer]:
    """What each configured provider says it serves, asked now."""
    client = Client(upstream_settings(config))
    try:
        return await survey(config.models.values(), client)
    finally:
        await client.aclose()


def metering_for(config: Config, counters: Counters, book: PriceBook) -> Metering:
    """The limits on tokens and money that the configuration sets."""
    models = list(config.models.values())
    warn_at = config.settings.budgets.warn_at
    return Metering(counters, config.allowances, models, book.price, warn_at=warn_at)


def describe(config: Config) -> dict[str, object]:
    """The OpenAPI document of this gateway."""
    return document(
        version=version("callgate"),
        region=config.region,
        max_body_bytes=config.settings.server.max_body_bytes,
        example_model=next(iter(config.models), "gpt-4.1"),
    )
