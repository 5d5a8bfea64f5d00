"""The processes of a gateway: what each of them does, by the configuration."""

from __future__ import annotations

import socket
from importlib.metadata import version
from typing import TYPE_CHECKING

from callgate.config import Config
from callgate.core.secret import Secret
from callgate.server.child import Role, Signs
from callgate.server.retention import Calendar

if TYPE_CHECKING:
    from callgate.server.clerk import Traces

_CLERK_PATIENCE = 5  # times a worker's: its database may take minutes to say that it takes nothing


def roles(
    config: Config, listener: socket.socket, supervisor: int, calendar: Calendar
) -> list[Role]:
    """The roles; `supervisor` is the process that runs them, `calendar` begun when it did."""
    # Slow to import, so not before mistakes in the configuration have been reported.
    from callgate.server import clerk, worker

    settings = config.settings
    books = clerk.Books(
        store_url=config.store_url,
        journal_dir=config.journal_dir,
        retention_days=settings.store.retention_days,
        capture_dir=config.capture_dir,
        capture_days=settings.capture.retention_days,
        capture_bytes=settings.capture.max_total_bytes,
        metrics_dir=config.metrics_dir,
        traces=_traces(config),
        calendar=calendar,
    )

    def serve(signs: Signs) -> None:
        worker.serve(config, listener, supervisor, signs)

    def keep_books(signs: Signs) -> None:
        listener.close()  # the clerk accepts nobody: holding it would keep callers waiting
        clerk.keep_books(books, supervisor, signs)

    patience = settings.server.hang_timeout
    numbers = range(1, settings.server.workers + 1)
    return [
        *(Role(f"worker {number}", serve, retires=True, patience=patience) for number in numbers),
        Role("clerk", keep_books, ends_last=True, patience=patience * _CLERK_PATIENCE),
    ]


def _traces(config: Config) -> Traces | None:
    from callgate.server import clerk

    table = config.settings.traces
    if not table.endpoint:
        return None
    headers = {name: Secret(value) for name, value in table.headers.items()}
    return clerk.Traces(
        table.endpoint,
        headers,
        table.service_name,
        version("callgate"),
        config.region,
        table.content,
    )
