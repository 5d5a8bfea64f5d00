"""Redis, Valkey and Redis Cluster. The only file that knows this driver.

Scripts go out by EVALSHA, many in one write; a server that has lost them (a restart, a failover)
gets the text once. Whether the server is part of a cluster is found out when connecting.
https://redis.io/docs/latest/develop/reference/protocol-spec/
"""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

from redis.asyncio import Connection, RedisCluster, SSLConnection
from redis.asyncio.connection import parse_url
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import (
    MovedError,
    NoScriptError,
    RedisClusterException,
    RedisError,
    ResponseError,
)
from redis.maint_notifications import MaintNotificationsConfig

from callgate.store.base import Caution, StoreError
from callgate.store.counters.eviction import caution_of, fields_of
from callgate.store.counters.link import Command, LinkError
from callgate.store.counters.scripts import SCRIPTS
from callgate.store.refusals import COUNTERS, fix_of

_CONNECT_SECONDS = 2.0
_TRIAL_SECONDS = 5.0
_ANSWER_SECONDS = 60.0  # whoever waits has bounds of its own; by then every window is over
_UNSERVED = "a hash slot of the cluster is served by nobody"
# The last of them where the driver looks up which server has such a slot.
_FAILURES = (RedisError, RedisClusterException, OSError, ValueError, TypeError, LookupError)
_FIX = "start the server, or correct host and port in counters.url"
_FIX_TLS = f"{_FIX}, or the file of ssl_ca_certs; if the server has no TLS, write redis://"
_EXPECTED = (
    "expected redis://user:password@host:6379/0, rediss://… or unix:///path, with `@`, `:`, `/`, "
    "`#`, `?` and `%` in the password written as %40, %3A, %2F, %23, %3F and %25"
)
_IN_A_SCRIPT = re.compile(
    # Redis 6 says it before, later ones and Valkey behind.
    r"^Error running script \(call to \w+\): (@user_script: ?\d+: )+-?"
    r"| script: (\w+, )?on @user_script.*$"
)
_UNKNOWN = re.compile(r"unexpected keyword argument ('\w+')")


class RedisLink:
    """The `Link` by the URL of `counters.url`. Raises StoreError where it does not parse."""

    def __init__(self, url: str) -> None:
        self._options = _options(url)
        self._place = shown(url)
        self._idle: list[Connection] = []
        self._places: list[dict[str, Any]] = [{}]  # what differs from the options; first the next
        self._cluster: RedisCluster | None = None
        self._users: Counter[RedisCluster] = Counter()

    @property
    def secured(self) -> bool:
        """Whether the server is spoken to by TLS."""
        return self._options.get("connection_class") is SSLConnection

    async def connect(self) -> None:
        """Reconnect. What is still under way goes on where it is. Raises LinkError."""
        await self.aclose()
        place = self._places[0]
        try:
            connection = await self._dial(place)
            self._idle.append(connection)
            if await _is_clustered(connection):
                await _demand_slots(connection)
                self._cluster = cluster = RedisCluster(**_clustered(self._options | place))
                await cluster.initialize()
                # Should one of a cluster be away, another tells where its slots are now.
                nodes = [{"host": one.host, "port": one.port} for one in cluster.get_nodes()]
                self._places = [{}, *nodes]  # each is given the scripts with their first use
            else:
                for script in SCRIPTS:
                    await connection.send_command("SCRIPT", "LOAD", script.text)
                    await _answer(connection)  # refused, it goes out with the first use
        except BaseException as error:
            await self.aclose()  # perhaps in the middle of an answer
            self._places.append(self._places.pop(0))
            if isinstance(error, _FAILURES):
                raise self._told(error) from None
            raise

    async def run(self, commands: Sequence[Command]) -> Sequence[Any]:
        """Send these in one go and give their answers in order; waits a minute for them.

        Raises LinkError.
        """
        send = self._run if self._cluster is None else self._run_clustered
        try:
            answers = await send(commands, by_text=False)
            lost = [at for at, one in enumerate(answers) if isinstance(one, NoScriptError)]
            if lost:
                again = await send([commands[at] for at in lost], by_text=True)
                for at, answer in zip(lost, again, strict=True):
                    answers[at] = answer
        except _FAILURES as error:
            raise self._told(error) from None
        refusal = next((one for one in answers if isinstance(one, Exception)), None)
        if refusal is not None:
            known = [None if isinstance(one, Exception) else one for one in answers]
            places = [at for at, one in enumerate(answers) if isinstance(one, ResponseError)]
            raise self._told(refusal, known, places)
        return answers

    async def caution(self) -> Caution | None:
        """Whether the server, or one of its cluster, may forget what it counts. Raises LinkError.

        A user that may not ask it is told nothing.
        """
        for said in await self._info("memory"):
            if (found := caution_of(self._place, fields_of(said))) is not None:
                return found
        return None

    async def servers(self) -> frozenset[str]:
        """Those of a cluster that have slots, each by an id that it has until it is started anew.

        None where it is no cluster, or of a user that may not ask them. Raises LinkError.
        """
        said = () if self._cluster is None else await self._info("server")
        return frozenset(fields_of(one).get("run_id", "") for one in said)

    async def _info(self, section: str) -> Sequence[Any]:
        """What `INFO` says, of each server that has slots where it is a cluster."""
        try:
            if self._cluster is not None:
                nodes = self._cluster.get_primaries()
                asked = (node.execute_command("INFO", section) for node in nodes)
                return await asyncio.gather(*asked)
            connection = self._idle.pop() if self._idle else await self._dial({})
            try:
                await connection.send_command("INFO", section)
                said = await _answer(connection)
            except BaseException:
                await _hang_up(connection)
                raise
            self._idle.append(connection)
            return [said]
        except ResponseError:
            return ()
        except _FAILURES as error:
            raise self._told(error) from None

    async def aclose(self) -> None:
        """Disconnect. Never raises."""
        idle, self._idle = self._idle, []
        for connection in idle:
            await _hang_up(connection)
        cluster, self._cluster = self._cluster, None
        if cluster is not None and not self._users[cluster]:
            await _leave(cluster)

    async def _dial(self, place: Mapping[str, Any]) -> Connection:
        options = {**self._options, **place}
        connection: Connection = options.pop("connection_class", Connection)(**options)
        try:
            await connection.connect()  # type: ignore[no-untyped-call]
        except BaseException:
            await _hang_up(connection)
            raise
        return connection

    async def _run(self, commands: Sequence[Command], *, by_text: bool) -> list[Any]:
        connection = self._idle.pop() if self._idle else await self._dial({})
        try:
            packed = connection.pack_commands([_words(one, by_text=by_text) for one in commands])
            await connection.send_packed_command(packed, check_health=False)
            answers = [await _answer(connection) for _ in commands]
        except BaseException:
            # Whatever is still to come on it would be taken for the answers to other commands.
            await _hang_up(connection)
            raise
        self._idle.append(connection)
        return answers

    async def _run_clustered(self, commands: Sequence[Command], *, by_text: bool) -> list[Any]:
        cluster = self._cluster
        if cluster is None:
            raise ConnectionError("disconnected meanwhile")
        self._users[cluster] += 1
        try:
            pipeline = cluster.pipeline()
            for one in commands:
                pipeline.execute_command(*_words(one, by_text=by_text))
            return list(await pipeline.execute(raise_on_error=False))
        finally:
            self._users[cluster] -= 1
            if not self._users[cluster]:
                del self._users[cluster]
                if cluster is not self._cluster:
                    await _leave(cluster)

    def _told(
        self, error: Exception, answers: Sequence[Any] = (), refused: Collection[int] = ()
    ) -> LinkError:
        said = str(error).split("\n")[0][:200] or type(error).__name__
        if isinstance(error, LookupError):
            said = _UNSERVED
        if unknown := _UNKNOWN.search(said):
            said = f"no such option {unknown[1]}"
        said = _IN_A_SCRIPT.sub("", said)
        return LinkError(f"{self._place}: {said.rstrip('.')}", answers, refused)


def probe(link: RedisLink, trial: Command) -> Caution | None:
    """Whether the server can be used, and whether to rely on it; blocks for some seconds at most.

    Raises StoreError, which names the setting and what is wrong.
    """

    async def tried() -> Caution | None:
        try:
            async with asyncio.timeout(_TRIAL_SECONDS):
                await link.connect()
                await link.run([trial])
                return await link.caution()
        finally:
            await link.aclose()

    try:
        return asyncio.run(tried())
    except (LinkError, TimeoutError) as error:
        said = str(error) or "the server does not answer"
        otherwise = _FIX_TLS if link.secured else _FIX
        raise StoreError(f"counters.url: {said}; {fix_of(said, COUNTERS, otherwise)}") from None


def shown(url: str) -> str:
    """The URL without its user, password and options, as it may be shown."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def key_of(prefix: str, account: str, name: str) -> str:
    """The key of a counter. The braces are the hash tag: https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/#hash-tags"""
    # An empty tag would count as none; quoting never gives a lone percent sign.
    return f"{prefix}:{{{_quoted(account) or '%'}}}:{_quoted(name)}"


def _quoted(text: str) -> str:
    return quote(text, safe=" /:@+=,", errors="surrogatepass")


def _words(command: Command, *, by_text: bool) -> tuple[int | str, ...]:
    script, keys, arguments = command
    call = ("EVAL", script.text) if by_text else ("EVALSHA", script.sha)
    return (*call, len(keys), *keys, *arguments)


async def _answer(connection: Connection) -> Any:
    try:
        return await connection.read_response(disconnect_on_error=False, timeout=_ANSWER_SECONDS)
    except ResponseError as refusal:
        return refusal


async def _leave(cluster: RedisCluster) -> None:
    with suppress(*_FAILURES):
        await cluster.aclose()


async def _hang_up(connection: Connection) -> None:
    with suppress(*_FAILURES):
        await connection.disconnect(nowait=True)


async def _is_clustered(connection: Connection) -> bool:
    """https://redis.io/docs/latest/commands/info/ ; a user that may not ask it uses one server."""
    try:
        await connection.send_command("INFO", "cluster")
        return b"cluster_enabled:1" in await connection.read_response()
    except MovedError:
        return True
    except ResponseError:
        return False


async def _demand_slots(connection: Connection) -> None:
    # Of an empty list, and of one that the user may not have, the driver says nothing of use.
    await connection.send_command("CLUSTER", "SLOTS")
    if not await connection.read_response():
        raise RedisClusterException(_UNSERVED)


def _options(url: str) -> dict[str, Any]:
    parts = urlsplit(url)
    # The driver takes for database 0 what is no number, and cuts a password at `#` or `/`.
    # Nothing of such a URL may be quoted.
    number = parts.path.removeprefix("/") if parts.scheme != "unix" else ""
    misread = parts.fragment or "@" in parts.path
    if misread or (number and not (number.isascii() and number.isdecimal())):
        raise StoreError(f"counters.url: {_EXPECTED}")
    try:
        given = dict(parse_url(url))
        if parts.query:
            parse_qsl(parts.query, strict_parsing=True)
    except ValueError as error:
        # The driver names the option, and never its value.
        told = str(error) if str(error).startswith("Invalid value for") else "does not parse"
        raise StoreError(f"counters.url: {told.rstrip('.')}; {_EXPECTED}") from None
    if parts.scheme == "unix" and not given.get("path"):
        raise StoreError("counters.url: names no socket; use unix:///path/to/redis.sock")
    return {
        "socket_connect_timeout": _CONNECT_SECONDS,
        "socket_timeout": _CONNECT_SECONDS,
        "client_name": "callgate",
        **given,
        "protocol": 2,
        "decode_responses": False,
        "retry": Retry(NoBackoff(), 0),
        "maint_notifications_config": MaintNotificationsConfig(enabled=False),
    }


def _clustered(options: dict[str, Any]) -> dict[str, Any]:
    given = dict(options)
    tls = given.pop("connection_class", None) is SSLConnection
    given.pop("db", None)
    return {
        **given,
        "ssl": tls,
        "require_full_coverage": False,
        "socket_timeout": _ANSWER_SECONDS,
    }
