"""AWS Signature Version 4, computed by botocore, which is the optional extra `bedrock`.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html. Nothing here reads the
environment, a profile or a clock, or connects anywhere.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from botocore.auth import SIGV4_TIMESTAMP, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from callgate.core.http import HttpRequest
from callgate.core.models import Deployment


def sign(request: HttpRequest, deployment: Deployment, region: str, now: datetime) -> HttpRequest:
    """The request with its signature, and the session token where the credentials have one.

    The secret access key is the deployment's secret, its id `options["access_key_id"]`; `now` is
    aware. The signature holds for five minutes and covers method, path, host, headers and body.
    """
    options = deployment.options
    token = deployment.session_token.reveal() or None
    credentials = Credentials(options["access_key_id"], deployment.secret.reveal(), token)
    signed = AWSRequest(
        method=request.method,
        url=f"{request.origin}{request.path}",
        headers=dict(request.headers),
        data=request.body,
    )
    _Signer(credentials, region, now).add_auth(signed)
    headers = tuple((name.lower(), value) for name, value in signed.headers.items())
    return request.with_headers(headers)


class _Signer(SigV4Auth):  # type: ignore[misc]  # botocore has no types
    """Botocore's signer with the time as an argument in place of the clock."""

    def __init__(self, credentials: Credentials, region: str, now: datetime) -> None:
        super().__init__(credentials, "bedrock", region)
        self._now = now.astimezone(UTC).strftime(SIGV4_TIMESTAMP)

    def add_auth(self, request: Any) -> None:
        request.context["timestamp"] = self._now
        self._modify_request_before_signing(request)
        text = self.string_to_sign(request, self.canonical_request(request))
        self._inject_signature_to_request(request, self.signature(text, request))
