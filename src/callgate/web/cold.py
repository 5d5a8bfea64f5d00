"""Everything but the hot path, as a Starlette application."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp

from callgate.errors import GatewayError
from callgate.web.chat import CHAT_PATH
from callgate.web.errorwriter import ErrorWriter
from callgate.web.methods import wrong_method
from callgate.web.reply import advice
from callgate.web.strays import is_geminis, unknown_path


class _Routes(Starlette):
    """Starlette without its handler of unexpected exceptions: the gate answers those itself."""

    def build_middleware_stack(self) -> ASGIApp:
        return ExceptionMiddleware(self.router, handlers=self.exception_handlers)


class Cold:
    """The Starlette application; `errors` writes the bodies of failures."""

    def __init__(self, routes: Sequence[Route], errors: ErrorWriter) -> None:
        self._errors = errors
        self._paths = [CHAT_PATH, *(route.path for route in routes)]
        self.app = _Routes(
            routes=list[BaseRoute](routes),
            exception_handlers={HTTPException: self._http, GatewayError: self._failure},
        )
        self.app.router.redirect_slashes = False

    async def _http(self, request: Request, error: Exception) -> Response:
        """Starlette's own errors as those of the taxonomy."""
        assert isinstance(error, HTTPException)
        if error.status_code == 405 and not is_geminis(request.url.path):
            allowed = (error.headers or {}).get("Allow", "GET")
            told = wrong_method(request.method, allowed)
            response = await self._failure(request, told)
            response.headers["allow"] = allowed
            return response
        return await self._failure(request, unknown_path(request.url.path, self._paths))

    async def _failure(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, GatewayError)
        call = request.scope["state"]["call"]
        call.error = error
        body = self._errors.body(call, error)
        response = Response(body, error.kind.status, media_type="application/json")
        response.raw_headers += advice(error)
        return response
