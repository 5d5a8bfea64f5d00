"""What a record leaves out for its size: how long parameters are, is the caller's to say."""

from __future__ import annotations

from operator import itemgetter
from typing import Final

from callgate.core.record import OmittedParameters, Record

PARAMETERS_BYTES: Final = 32 << 10
"""The most that a record keeps of parameters, their names included."""
_NAMES = 8
_NAME_CHARACTERS = 64


def omit(record: Record) -> None:
    """Leave out the largest parameters until the others are not more than is kept."""
    parameters = dict(record.parameters or {})
    sizes = {name: len(name.encode()) + len(raw) for name, raw in parameters.items()}
    excess = sum(sizes.values()) - PARAMETERS_BYTES
    if excess <= 0:
        return
    omitted: list[str] = []
    for name, size in sorted(sizes.items(), key=itemgetter(1), reverse=True):
        if excess <= 0:
            break
        del parameters[name]
        omitted.append(name)
        excess -= size
    record.parameters = parameters
    record.parameters_omitted = OmittedParameters(
        count=len(omitted),
        bytes=sum(sizes[name] for name in omitted),
        names=[name[:_NAME_CHARACTERS] for name in omitted[:_NAMES]],
    )
