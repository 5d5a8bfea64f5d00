"""A bug of ours: told to the log in full and to the caller hardly at all."""

from __future__ import annotations

import logging

from callgate.engine.call import Call
from callgate.errors import GatewayError

_log = logging.getLogger("callgate.gate")


def internal_error(call: Call, defect: Exception) -> GatewayError:
    """Note the defect for the call's line in the log; give what the caller may know of it."""
    call.defect = defect
    if call.settled:  # its line has been written: this one is of what went wrong afterwards
        _log.error("defect", exc_info=defect, extra={"request_id": call.request_id})
    return GatewayError(
        "internal_error",
        "The gateway failed to handle this request",
        detail=f"{type(defect).__name__}; the log has the traceback under this request_id",
    )
