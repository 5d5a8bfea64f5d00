"""What counters ask of a server that many gateways share, whichever driver speaks to it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, NamedTuple, Protocol

from callgate.store.base import Caution
from callgate.store.counters.scripts import Script


class Command(NamedTuple):
    """A call of a script. All keys belong to one account."""

    script: Script
    keys: tuple[str, ...]
    arguments: tuple[int | str, ...]


class LinkError(Exception):
    """The server is away, or refuses to count. The message is for the operator, without secrets.

    `answers` are those that came all the same, in the order of the commands, None for the others;
    `refused` are the places of those of which the server has said that it has not done them.
    """

    def __init__(
        self, message: str, answers: Sequence[Any] = (), refused: Collection[int] = ()
    ) -> None:
        super().__init__(message)
        self.answers = answers
        self.refused = refused


class Link(Protocol):
    """A connection to the server that counts."""

    async def connect(self) -> None:
        """Reconnect. What is still under way goes on where it is. Raises LinkError."""
        ...

    async def run(self, commands: Sequence[Command]) -> Sequence[Any]:
        """Send these in one go and give their answers in order, however long they take.

        Raises LinkError.
        """
        ...

    async def caution(self) -> Caution | None:
        """Whether the server may forget what it has counted. Raises LinkError."""
        ...

    async def servers(self) -> frozenset[str]:
        """Those of a cluster that have slots, each by an id that it has until it is started anew.

        Raises LinkError.
        """
        ...

    async def aclose(self) -> None:
        """Disconnect. Never raises."""
        ...
