"""Claude on Vertex AI: the Messages API behind Google's `rawPredict` and `streamRawPredict`.

https://docs.anthropic.com/en/api/claude-on-vertex-ai; answers, streams and most errors are the
Messages API's own.
"""

from __future__ import annotations

from callgate.core.chat import Json
from callgate.core.http import HttpRequest
from callgate.core.request import ChatRequest
from callgate.core.target import Target
from callgate.errors import GatewayError
from callgate.providers.anthropic.dialect import Anthropic
from callgate.providers.anthropic.request import FILES_BETA
from callgate.providers.vertex_place import place_of

VERSION = "vertex-2023-10-16"
PUBLISHER = "anthropic"


class VertexClaude(Anthropic):
    """Implements `providers.base.Dialect`; has no state.

    Of `Deployment.options` it reads `project` and `location`.
    """

    # Nowhere promised for Vertex AI; as part of the system prompt the words hold there too.
    system_turns = False

    def encode(self, request: ChatRequest, target: Target) -> HttpRequest:
        encoded = super().encode(request, target)
        origin, path = place_of(target.deployment, PUBLISHER)
        method = "streamRawPredict" if request.body.stream else "rawPredict"
        return HttpRequest(
            encoded.method, origin, f"{path}:{method}", encoded.headers, encoded.body
        )

    def address(
        self, fields: Json, betas: tuple[str, ...], target: Target, *, stream: bool
    ) -> tuple[str, tuple[tuple[str, str], ...]]:
        """The version moves into the body, and the model out of it, into the path."""
        if FILES_BETA in betas:
            raise GatewayError(
                "unsupported_field",
                f"Invalid request for {target.deployment.provider}: messages: uploaded files do "
                "not exist on Vertex AI; send their bytes",
                param="messages",
            )
        mark = fields.pop("cache_control", None)
        if mark is not None:  # nowhere promised for the whole prompt; at its last block it is
            fields["messages"][-1]["content"][-1].setdefault("cache_control", mark)
        del fields["model"]
        fields["anthropic_version"] = VERSION
        return "", (("anthropic-beta", ",".join(betas)),) if betas else ()
