"""How credentials are put on a request: a second axis beside the dialect."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from callgate.core.http import HttpRequest
from callgate.core.models import Deployment

_HEADERS: Mapping[str, Callable[[str], tuple[str, str]]] = MappingProxyType(
    {
        # RFC 6750
        "bearer": lambda key: ("authorization", f"Bearer {key}"),
        # https://docs.anthropic.com/en/api/overview#authentication
        "x-api-key": lambda key: ("x-api-key", key),
        # https://learn.microsoft.com/azure/ai-services/openai/reference#authentication
        "api-key": lambda key: ("api-key", key),
        # https://ai.google.dev/api#authentication
        "x-goog-api-key": lambda key: ("x-goog-api-key", key),
    }
)


def authorize(request: HttpRequest, deployment: Deployment) -> HttpRequest:
    """The request with the deployment's credentials.

    A deployment without a secret, such as a server in the operator's own network, gets none.
    Raises KeyError for a scheme that has no row here.
    """
    scheme = deployment.vendor.auth
    if scheme == "none":
        return request
    header = _HEADERS[scheme]
    if not deployment.secret:
        return request
    return request._replace(headers=(*request.headers, header(deployment.secret.reveal())))
