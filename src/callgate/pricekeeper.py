"""Keeps the list prices of the models in effect, for as long as they hold."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from time import time

from callgate import prices
from callgate.engine.pricebook import PriceBook
from callgate.web.models import Models

_AT_MOST_EVERY = 0.1  # seconds, should the list's end be past already
_LOOK_EVERY = 60.0  # timers know nothing of a clock that is set, or of a machine that slept


class PriceKeeper:
    """Loads prices into the book by which calls are charged and into what `/v1/models` tells.

    `file` remembers the day's prices for the workers that start later. Set `changed` when the
    models in effect are others.
    """

    def __init__(self, book: PriceBook, models: Models, file: Path) -> None:
        self.changed = asyncio.Event()
        self._book = book
        self._models = models
        self._file = file

    async def keep(self) -> None:
        """Load prices when others come to hold and when the models change, until cancelled."""
        while True:
            self.changed.clear()
            begun = time()
            until = max((await self.load()).timestamp(), begun + _AT_MOST_EVERY)
            while not self.changed.is_set() and begun <= (now := time()) < until:
                with suppress(TimeoutError):
                    async with asyncio.timeout(min(until - now, _LOOK_EVERY)):
                        await self.changed.wait()

    async def load(self) -> datetime:
        """Load the prices that hold now, in a thread: no request waits. Until when they hold."""
        refs = self._models.price_refs()
        found, until = await asyncio.to_thread(prices.load, refs, self._file)
        self._book.load(found)
        self._models.price(self._book.price)
        return until
