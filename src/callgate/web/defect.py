"""A bug of ours: told to the log in full and to the caller not at all."""

from __future__ import annotations

import logging

from callgate.engine.call import Call
from callgate.errors import GatewayError

_log = logging.getLogger("callgate.gate")


def internal_error(call: Call, defect: Exception) -> GatewayError:
    """Log the defect under the call's request id; give what the caller may know of it."""
    _log.error("defect", exc_info=defect, extra={"request_id": call.request_id})
    return GatewayError(
        "internal_error",
        "The gateway failed to handle this request",
        detail=f"{type(defect).__name__}; the log has the traceback under this request_id",
    )
