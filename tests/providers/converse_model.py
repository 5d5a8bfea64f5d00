"""AWS's own description of Converse, as botocore ships it."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from botocore.loaders import Loader
from botocore.model import ServiceModel, Shape
from botocore.validate import ParamValidator


@cache
def shape(operation: str = "Converse") -> Shape:
    service = ServiceModel(Loader().load_service_model("bedrock-runtime", "service-2"))
    return service.operation_model(operation).input_shape


def mistakes(body: bytes, operation: str = "Converse") -> str:
    """What AWS's description has against this body, empty where nothing."""
    params: dict[str, Any] = {"modelId": "m", **json.loads(body)}
    known = set(shape(operation).members)
    strange = params.keys() - known
    report = ParamValidator().validate(params, shape(operation)).generate_report()
    return f"unknown fields {strange}" if strange else report
