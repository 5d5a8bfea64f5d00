"""Azure: the OpenAI dialect under Azure's own paths.

https://learn.microsoft.com/azure/ai-foundry/openai/reference. What the answers hold beyond OpenAI's
(`prompt_filter_results`, `content_filter_results`) goes out as it came.
"""

from __future__ import annotations

from urllib.parse import quote

from callgate.core.http import HttpRequest
from callgate.core.models import Deployment
from callgate.core.request import ChatRequest
from callgate.core.target import Target
from callgate.providers.openai.dialect import PATH, OpenAI

API_VERSION = "2024-10-21"
"""The latest of the dated interfaces that is generally available."""
MODELS_API_VERSION = "2024-05-01-preview"
"""The one of `/models`, which never left its preview."""


class Azure(OpenAI):
    """Of `Deployment.options` it reads `api_version`; `upstream_model` is Azure's deployment."""

    def encode(self, request: ChatRequest, target: Target) -> HttpRequest:
        encoded = super().encode(request, target)
        return HttpRequest(
            encoded.method, encoded.origin, _path(target.deployment), encoded.headers, encoded.body
        )


def _path(deployment: Deployment) -> str:
    """The path by how the base URL ends: `/openai/v1` and `/models` find the model in the body,
    a resource alone (with or without `/openai`) has one path for each deployment.
    """
    base, version = deployment.path, deployment.options.get("api_version", "")
    if base.endswith("/v1"):
        return base + PATH + (f"?api-version={quote(version)}" if version else "")
    if base.endswith("/models"):
        return f"{base}{PATH}?api-version={quote(version or MODELS_API_VERSION)}"
    root = base if base.endswith("/openai") else f"{base}/openai"
    name = quote(deployment.upstream_model, safe="")
    return f"{root}/deployments/{name}{PATH}?api-version={quote(version or API_VERSION)}"
