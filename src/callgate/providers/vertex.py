"""Vertex AI, which serves models of several makers, each in its maker's own dialect."""

from __future__ import annotations

from callgate.core.http import HttpRequest, HttpResponse
from callgate.core.request import ChatRequest
from callgate.core.response import ChatResponse
from callgate.core.target import Target
from callgate.errors import GatewayError
from callgate.providers.base import ChunkDecoder, Dialect


class Vertex:
    """Implements `providers.base.Dialect` by handing on: what is Claude's to `claude`, the rest to
    `gemini`.
    """

    def __init__(self, gemini: Dialect, claude: Dialect) -> None:
        self._gemini = gemini
        self._claude = claude

    def encode(self, request: ChatRequest, target: Target) -> HttpRequest:
        return self._of(target).encode(request, target)

    def decode(self, response: HttpResponse, target: Target) -> ChatResponse:
        return self._of(target).decode(response, target)

    def decoder(self, target: Target) -> ChunkDecoder:
        return self._of(target).decoder(target)

    def error(self, response: HttpResponse, target: Target) -> GatewayError:
        return self._of(target).error(response, target)

    def _of(self, target: Target) -> Dialect:
        """By the model's upstream id, or by the publisher that its id or the base URL names."""
        deployment = target.deployment
        model = deployment.upstream_model
        name = model.rpartition("/")[2]
        anthropic = "publishers/anthropic" in f"{deployment.path}/{model}"
        return self._claude if anthropic or name.startswith("claude-") else self._gemini
