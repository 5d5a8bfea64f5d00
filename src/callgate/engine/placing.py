"""Which deployments of a model may process a request, by where they may process it."""

from __future__ import annotations

from dataclasses import replace

from callgate.core.models import Model
from callgate.core.request import ChatRequest

WORLDWIDE = "global"
"""The `model_region` of a caller who does not mind where a request is processed:
https://www.assemblyai.com/docs/llm-gateway/cloud-endpoints-and-data-residency
"""


def placed(request: ChatRequest, model: Model) -> Model:
    """The model, left with its worldwide deployments if the request allows them, else without."""
    wanted = request.body.model_region
    anywhere = wanted is not None and wanted.lower() == WORLDWIDE
    return replace(
        model, deployments=tuple(one for one in model.deployments if one.worldwide is anywhere)
    )
