"""Where Vertex AI serves a model.

https://cloud.google.com/vertex-ai/generative-ai/docs/learn/locations
"""

from __future__ import annotations

from urllib.parse import quote

from callgate.core.http import Origin
from callgate.core.models import Deployment

GLOBAL_HOST = "aiplatform.googleapis.com"
_MULTI_REGIONS = ("us", "eu")
_PUBLISHERS = "/publishers/"


def host_of(location: str) -> str:
    """The host of a location: a region, a multi-region or `global`."""
    if location == "global":
        return GLOBAL_HOST
    if location in _MULTI_REGIONS:
        return f"aiplatform.{location}.rep.googleapis.com"
    return f"{location}-{GLOBAL_HOST}"


def place_of(deployment: Deployment, publisher: str) -> tuple[Origin, str]:
    """The server, and the path of the model, which is this publisher's unless its id says more.

    Project and location come from the options `project` and `location`, or stand in the base URL.
    """
    origin, path, options = deployment.origin, deployment.path, deployment.options
    model = quote(deployment.upstream_model.removeprefix("models/"), safe="/-._~@")
    project, location = options.get("project"), options.get("location", "global")
    if project and "/projects/" not in path:
        path += f"/projects/{quote(project, safe='')}/locations/{quote(location, safe='')}"
        if origin.host == GLOBAL_HOST:
            origin = origin._replace(host=host_of(location))
    if "/" not in model:
        path = path.partition(_PUBLISHERS)[0]
        model = f"publishers/{publisher}/models/{model}"
    return origin, f"{path}/{model}"
