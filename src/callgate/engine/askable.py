"""Whether a fallback's provider can express a request at all.

`supported_parameters` tell it of models that are well known. All else comes out only when a
provider's dialect encodes the request, which for a fallback would be in the middle of a failover.
"""

from __future__ import annotations

from typing import Final

import msgspec

from callgate.core.models import Model
from callgate.core.request import ChatRequest
from callgate.core.target import Target
from callgate.core.validate import prompt_bytes
from callgate.errors import GatewayError
from callgate.providers.registry import dialect_of

_FORM: Final = "response_format"
_MAX_TOOLS: Final = 64 * 1024
"""Bytes of tools beyond which it is left to the attempt, which encodes them off the event loop."""
_MAX_PROMPT: Final = 256 * 1024
"""So many of the prompt, too: a dialect takes about 10 ms for each MB, and every fallback asks."""


def check_askable(request: ChatRequest, model: Model) -> None:
    """Encode the request for the model's deployments until one takes it.

    `response_format` is left out: every model can be brought to it. Raises GatewayError, what the
    first deployment refuses, where all do.
    """
    tools = request.raw.get("tools")
    if len(prompt_bytes(request)) > _MAX_PROMPT or (tools is not None and len(tools) > _MAX_TOOLS):
        return
    if request.body.response_format is not None:
        body = msgspec.structs.replace(request.body, response_format=None)
        raw = {name: value for name, value in request.raw.items() if name != _FORM}
        request = request.replace(body=body, raw=raw)
    refusal: GatewayError | None = None
    for deployment in model.deployments:
        target = Target(model, deployment)
        try:
            dialect_of(request, target).encode(request, target)
        except GatewayError as error:
            refusal = refusal or error
        else:
            return
    if refusal is not None:
        raise refusal if request.turned is None else request.turned.renamed(refusal)
