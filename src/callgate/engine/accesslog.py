"""The gateway's own log of requests: at most one line each, and none for most."""

from __future__ import annotations

import logging

from callgate.engine.call import Call

_log = logging.getLogger("callgate.requests")


class AccessLog:
    """Writes one line when a call ends: for every call if `access`, else only for those that failed
    through this gateway's own fault, which its operator has to fix.
    """

    __slots__ = ("access",)

    def __init__(self, *, access: bool = False) -> None:
        self.access = access

    def settled(self, call: Call) -> None:
        """Write the line of a call that has ended, if it gets one; of a defect, with traceback."""
        error = call.error
        ours = error is not None and error.kind.origin == "gateway"
        if not (self.access or ours):
            return
        fields: dict[str, object] = {"request_id": call.request_id, "status": call.status}
        if error is not None:
            fields["error"] = error.kind.type
            if not call.private:
                fields["detail"] = error.detail
        if call.target is not None:
            fields["provider"] = call.target.deployment.provider
        if self.access:
            fields |= {
                "method": call.method,
                "path": call.path,
                "client": call.client,
                "account": call.key.account if call.key is not None else None,
                "model": call.model_asked,
                "total_ms": call.elapsed_us() / 1000,
                "upstream_ms": call.upstream_ns // 1000 / 1000,
                "attempts": len(call.attempts),
            }
        _log.log(
            logging.ERROR if ours else logging.INFO,
            "request" if error is None or call.private else error.message,
            exc_info=call.defect,
            extra={name: value for name, value in fields.items() if value is not None},
        )
