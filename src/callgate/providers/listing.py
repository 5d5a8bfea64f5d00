"""The lists of models that providers give out: how each is asked for, and read.

Asking costs nothing, and shows besides whether the credentials are good. Sources stand at the rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Literal, NamedTuple
from urllib.parse import quote

from callgate.core.http import Headers, HttpRequest, HttpResponse, Origin
from callgate.core.jsontext import parse
from callgate.core.models import Deployment
from callgate.providers.vertex_place import GLOBAL_HOST, host_of

Scope = Literal["all", "some", "none"]
Place = tuple[Origin, str]

_ACCEPT = ("accept", "application/json")
_AZURE_VERSION = "2024-10-21"


class Page(NamedTuple):
    """The ids that a response lists, aliases among them, and the cursor of the next page."""

    ids: tuple[str, ...]
    cursor: str = ""


class List(NamedTuple):
    """One list, as a row.

    `items` is the field that holds it, `names` the fields of an item that hold an id or several;
    `cursor` is where a page names the next one, and `parameter` how that is asked for; `more`,
    where there is one, says whether there is a next page. `scope` is what the list tells of: `all`
    models that can be called, `some` (what is absent may still be served), or `none` of them.
    """

    place: Callable[[Deployment], Place]
    items: str = "data"
    names: tuple[str, ...] = ("id",)
    cursor: str = ""
    parameter: str = ""
    more: str = ""
    headers: Headers = ()
    scope: Scope = "all"

    def request(self, deployment: Deployment, cursor: str = "") -> HttpRequest:
        """The request for a page, without credentials; `cursor` is the page before's."""
        origin, path = self.place(deployment)
        if cursor:
            path += f"{'&' if '?' in path else '?'}{self.parameter}={quote(cursor, safe='')}"
        project = deployment.options.get("project")
        # https://cloud.google.com/docs/quotas/set-quota-project
        billed = (("x-goog-user-project", project),) if project else ()
        return HttpRequest("GET", origin, path, (_ACCEPT, *self.headers, *billed), b"")

    def read(self, response: HttpResponse) -> Page:
        """What a 2xx response lists. Raises ValueError where it is no list of models."""
        body = parse(response.body)
        items = body.get(self.items) if isinstance(body, dict) else body  # Together: a bare list
        if not isinstance(items, list):
            raise ValueError(f"there is no list of models under {self.items!r}")
        ids = dict.fromkeys(
            name
            for item in items
            if isinstance(item, dict)
            for field in self.names
            for name in _strings(item.get(field))
        )
        if not isinstance(body, dict) or not self.cursor or (self.more and not body.get(self.more)):
            return Page(tuple(ids))
        cursor = body.get(self.cursor)
        return Page(tuple(ids), cursor if isinstance(cursor, str) else "")


def _strings(value: object) -> Sequence[str]:
    if isinstance(value, str):
        return (value,)
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else ()


def _behind(suffix: str) -> Callable[[Deployment], Place]:
    return lambda deployment: (deployment.origin, deployment.path + suffix)


def _cohere(deployment: Deployment) -> Place:
    root = deployment.path.removesuffix("/v2").removesuffix("/v1")
    return deployment.origin, f"{root}/v1/models?endpoint=chat&page_size=1000"


def _control_plane(suffix: str) -> Callable[[Deployment], Place]:
    """https://docs.aws.amazon.com/general/latest/gr/bedrock.html"""

    def place(deployment: Deployment) -> Place:
        origin = deployment.origin
        if origin.host.startswith("bedrock-runtime"):
            origin = origin._replace(host=origin.host.replace("-runtime", "", 1))
        return origin, deployment.path + suffix

    return place


def _azure(deployment: Deployment) -> Place:
    """The base models of a resource: what has been deployed only its management API lists."""
    base = deployment.path
    if base.endswith("/v1"):
        return deployment.origin, f"{base}/models"
    root = base if base.endswith("/openai") else f"{base}/openai"
    version = deployment.options.get("api_version") or _AZURE_VERSION
    return deployment.origin, f"{root}/models?api-version={quote(version)}"


def _publisher(name: str) -> Callable[[Deployment], Place]:
    def place(deployment: Deployment) -> Place:
        origin, path = deployment.origin, deployment.path
        location = deployment.options.get("location", "global")
        if origin.host == GLOBAL_HOST and "/projects/" not in path:
            origin = origin._replace(host=host_of(location))
        root = path.partition("/projects/")[0].removesuffix("/v1beta1").removesuffix("/v1")
        return origin, f"{root}/v1beta1/publishers/{name}/models?pageSize=300"

    return place


# https://platform.openai.com/docs/api-reference/models/list; Mistral adds `aliases`, OpenRouter the
# name that a model had before, https://openrouter.ai/docs/overview/models
_OPENAI = (List(_behind("/models"), names=("id", "aliases", "canonical_slug")),)

LISTS: Mapping[str, tuple[List, ...]] = MappingProxyType(
    {
        "openai": _OPENAI,
        "local": _OPENAI,
        "responses": _OPENAI,
        # https://docs.anthropic.com/en/api/models-list
        "anthropic": (
            List(
                _behind("/models?limit=1000"),
                cursor="last_id",
                parameter="after_id",
                more="has_more",
                headers=(("anthropic-version", "2023-06-01"),),
            ),
        ),
        # https://ai.google.dev/api/models#method:-models.list
        "gemini": (
            List(
                _behind("/models?pageSize=1000"),
                "models",
                ("name",),
                cursor="nextPageToken",
                parameter="pageToken",
            ),
        ),
        # https://docs.aws.amazon.com/bedrock/latest/APIReference/API_ListFoundationModels.html
        # https://docs.aws.amazon.com/bedrock/latest/APIReference/API_ListInferenceProfiles.html
        "bedrock": (
            List(_control_plane("/foundation-models"), "modelSummaries", ("modelId", "modelArn")),
            List(
                _control_plane("/inference-profiles?maxResults=1000"),
                "inferenceProfileSummaries",
                ("inferenceProfileId", "inferenceProfileArn"),
                cursor="nextToken",
                parameter="nextToken",
            ),
        ),
        # https://docs.cohere.com/reference/list-models
        "cohere": (
            List(_cohere, "models", ("name",), cursor="next_page_token", parameter="page_token"),
        ),
        # https://learn.microsoft.com/rest/api/azureopenai/models/list
        "azure": (List(_azure, scope="none"),),
        # https://cloud.google.com/vertex-ai/docs/reference/rest/v1beta1/publishers.models/list
        "vertex": tuple(
            List(
                _publisher(name),
                "publisherModels",
                ("name",),
                cursor="nextPageToken",
                parameter="pageToken",
                scope="some",
            )
            for name in ("google", "anthropic")
        ),
    }
)
"""By dialect, the lists that together say what a provider serves."""


def lists_of(deployment: Deployment) -> tuple[List, ...]:
    """The lists to ask for; none where the provider has none."""
    dialect = deployment.vendor.dialect
    if dialect == "azure" and deployment.path.endswith("/models"):
        return ()  # Foundry's inference endpoint
    return LISTS.get(dialect, ())


def scope_of(lists: Sequence[List]) -> Scope:
    """What these lists together tell."""
    scopes: set[Any] = {one.scope for one in lists}
    return "all" if scopes == {"all"} else "none" if scopes <= {"none"} else "some"
