"""How credentials are put on a request: a second axis beside the dialect."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from types import MappingProxyType

from callgate.core.http import HttpRequest
from callgate.core.models import Deployment
from callgate.errors import GatewayError

_AWS_HOST = re.compile(r"[a-z0-9-]+\.([a-z]{2}(?:-[a-z]+)+-\d)\.amazonaws\.com(?:\.cn)?")

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
        # https://cloud.google.com/docs/authentication/rest: an access token, as
        # `upstream.google_token` gives it, stands in for the key
        "google": lambda key: ("authorization", f"Bearer {key}"),
    }
)


def authorize(
    request: HttpRequest, deployment: Deployment, now: datetime | None = None
) -> HttpRequest:
    """The request with the deployment's credentials; `now` is aware, and needed to sign.

    A deployment without a secret, such as a server in the operator's own network, gets none.
    Raises KeyError for a scheme that has no row here, GatewayError `provider_credentials` for a
    request that cannot be signed.
    """
    scheme = deployment.vendor.auth
    if scheme == "none":
        return request
    if scheme == "sigv4":
        if deployment.options.get("access_key_id"):
            return _signed(request, deployment, now)
        # https://docs.aws.amazon.com/bedrock/latest/userguide/api-keys-use.html
        scheme = "bearer"
    header = _HEADERS[scheme]
    if not deployment.secret:
        return request
    credential = header(deployment.secret.reveal())
    return request.with_headers((*request.headers, credential))


def _signed(request: HttpRequest, deployment: Deployment, now: datetime | None) -> HttpRequest:
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html"""
    if now is None:
        raise ValueError("a request to AWS cannot be signed without the time")
    host = _AWS_HOST.fullmatch(request.origin.host)
    region = deployment.options.get("region") or (host[1] if host else "")
    if not region:
        raise _unsigned(deployment, "its `region` is not configured", "set `region`")
    try:
        from callgate.providers.sigv4 import sign
    except ImportError:
        raise _unsigned(
            deployment, "botocore is not installed", "install the extra: callgate[bedrock]"
        ) from None
    return sign(request, deployment, region, now)


def _unsigned(deployment: Deployment, why: str, fix: str) -> GatewayError:
    return GatewayError(
        "provider_credentials",
        f"A request to {deployment.provider} could not be signed.",
        fix=f"The operator has to {fix}.",
        detail=f"signing for AWS is not possible: {why}",
    )
