"""How a dialect refuses what it has no place for: nothing that a caller asks for is dropped."""

from __future__ import annotations

from collections.abc import Mapping

from callgate.core.request import ChatRequest
from callgate.errors import GatewayError
from callgate.providers.echo import strange


def unsupported(path: str, why: str) -> GatewayError:
    """The refusal of what has no place in a request to this provider."""
    return GatewayError("unsupported_field", f"Invalid request: {path}: {why}", param=path)


def invalid(path: str, why: str) -> GatewayError:
    """The refusal of a value that cannot be."""
    return GatewayError("invalid_field", f"Invalid request: {path}: {why}", param=path)


def refuse_fields(
    request: ChatRequest, idle: Mapping[str, tuple[object, ...]], provider: str
) -> None:
    """Refuse at once all unknown fields and all of these, but for values that ask for nothing.

    `idle` are a field's values of that kind. Raises GatewayError `unsupported_field`.
    """
    paths = strange(request)
    for name, values in idle.items():
        value = getattr(request.body, name)
        if value is not None and value not in values:
            paths.append(name)
    if paths:
        faults = [f"{path}: {provider} does not support this field" for path in paths]
        raise GatewayError(
            "unsupported_field", f"Invalid request: {faults[0]}", param=paths[0], errors=faults
        )
