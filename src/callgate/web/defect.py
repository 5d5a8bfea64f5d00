"""A bug of ours: the log gets all of it, the caller hardly anything."""

from __future__ import annotations

import logging

from callgate.engine.call import Call
from callgate.errors import GatewayError

_log = logging.getLogger("callgate.gate")


def internal_error(call: Call, defect: Exception) -> GatewayError:
    """Note the defect for the call's line in the log; returns the error for the caller."""
    call.defect = defect
    if call.settled:  # its line has been written already, before this defect
        _log.error("defect", exc_info=defect, extra={"request_id": call.request_id})
    return GatewayError(
        "internal_error",
        "The gateway failed to handle this request",
        detail=f"{type(defect).__name__}; the log has the traceback under this request_id",
    )
