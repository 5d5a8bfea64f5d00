"""The schemas that answers are held against: compiled once each, and remembered within a bound."""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict
from typing import NamedTuple

from callgate.core.chat import Json, ResponseFormat
from callgate.core.request import ChatRequest
from callgate.core.schema.conformance import Checker
from callgate.core.structured import SCHEMA_PATH
from callgate.errors import GatewayError

_MOST = 256
_MOST_BYTES = 8 * 2**20  # of schemas as received; compiled, they take some ten times as much
_AT_ONCE = 8 * 1024  # bytes of a schema beyond which it is prepared off the event loop


class Form(NamedTuple):
    """What one request's answer has to be; None where nothing is asked of it.

    `promised`: it conforms or it is not given. `known`: its schema can be checked here.
    """

    checker: Checker | None
    promised: bool = False
    known: bool = True


class Checkers:
    """Checkers by the bytes of `response_format` as received; the least recently used one goes."""

    def __init__(self, most: int = _MOST) -> None:
        self._most = most
        self._bytes = 0
        self._any_object = Checker(None)
        self._any_json = Checker(None, objects=False)
        self._known: OrderedDict[bytes, tuple[Checker | GatewayError, int]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._known)

    async def ready(self, request: ChatRequest) -> None:
        """Prepare what `of` gives, a large schema off the event loop. Raises what `of` raises."""
        form = request.body.response_format
        schema = schema_of(form)[0] if form is not None else None
        if schema is not None and len(request.raw["response_format"]) > _AT_ONCE:
            key, size = _key(request)
            if key not in self._known:
                self._keep(key, await asyncio.to_thread(_made, schema, size), size)
        self.of(request)

    def of(self, request: ChatRequest) -> Checker | None:
        """What the answer is held against; None where nothing is asked or nothing can be checked.

        Raises GatewayError for a schema that is not sound (`invalid_field`), and under `strict`
        also for one that cannot be checked here (`unsupported_field`, `checker_missing`).
        """
        form = request.body.response_format
        if form is None or form.type == "text":
            return None
        schema, strict = schema_of(form)
        if schema is None:
            return self._any_object
        key, size = _key(request)
        kept = self._known.get(key)
        if kept is None:
            known = self._keep(key, _made(schema, size), size)
        else:
            self._known.move_to_end(key)
            known = kept[0]
        if isinstance(known, Checker):
            return known
        if strict or known.kind.type == "invalid_field":
            raise _again(known)
        return None

    def form(self, request: ChatRequest) -> Form:
        """What the answer to a request with a `response_format` has to be. Raises as `of` does."""
        form = request.body.response_format
        assert form is not None
        if form.type == "text":
            return Form(None)
        checker = self.of(request)
        promised = schema_of(form)[1] or form.type == "json_object"
        return Form(checker or self._any_json, promised, known=checker is not None)

    def _keep(self, key: bytes, made: Checker | GatewayError, size: int) -> Checker | GatewayError:
        if key not in self._known:
            self._known[key] = made, size
            self._bytes += size
        while len(self._known) > self._most or self._bytes > _MOST_BYTES:
            self._bytes -= self._known.popitem(last=False)[1][1]
        return made


def _key(request: ChatRequest) -> tuple[bytes, int]:
    raw = bytes(request.raw["response_format"])
    return hashlib.sha256(raw).digest(), len(raw)


def _made(schema: Json, size: int) -> Checker | GatewayError:
    try:
        return Checker(schema, size, SCHEMA_PATH)
    except GatewayError as error:
        return _again(error)


def schema_of(form: ResponseFormat) -> tuple[Json | None, bool]:
    """The schema of a form, if it has one, and whether it has to be kept to."""
    given = form.json_schema if form.type == "json_schema" else None
    if given is None or given.schema is None:
        return None, False
    return given.schema, bool(given.strict)


def _again(error: GatewayError) -> GatewayError:
    """The same error without the traceback of the first time."""
    return GatewayError(
        error.kind.type, error.message, param=error.param, cause=error.cause, fix=error.fix
    )
