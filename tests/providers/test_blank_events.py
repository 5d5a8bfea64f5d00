"""Events without data, which keep a connection alive, are no malformed ones."""

from __future__ import annotations

import pytest

from callgate.providers.registry import dialect

from .samples import target_of

STREAMS = {
    "openai": [
        b'{"id":"x","choices":[{"index":0,"delta":{"content":"hi"},"finish_reason":"stop"}]}',
        b"[DONE]",
    ],
    "anthropic": [
        b'{"type":"message_start","message":{"id":"x","content":[]}}',
        b'{"type":"content_block_start","index":0,"content_block":{"type":"text","text":"hi"}}',
        b'{"type":"content_block_stop","index":0}',
        b'{"type":"message_delta","delta":{"stop_reason":"end_turn"}}',
        b'{"type":"message_stop"}',
    ],
    "gemini": [b'{"candidates":[{"content":{"parts":[{"text":"hi"}]},"finishReason":"STOP"}]}'],
    "cohere": [
        b'{"type":"content-delta","index":0,"delta":{"message":{"content":{"text":"hi"}}}}',
        b'{"type":"message-end","delta":{"finish_reason":"COMPLETE"}}',
    ],
}


@pytest.mark.parametrize("blank", [b"data:\n\n", b"data: \n\n", b"event: ping\r\ndata:  \r\n\r\n"])
@pytest.mark.parametrize("vendor", sorted(STREAMS))
def test_blank_events_are_passed_over(vendor: str, blank: bytes) -> None:
    target = target_of(vendor)
    decoder = dialect(target.deployment.vendor.dialect).decoder(target)
    data = blank * 5 + b"".join(blank * 5 + b"data: %b\n\n" % one for one in STREAMS[vendor])
    chunks = [*decoder.feed(data), *decoder.close()]
    text = [choice["delta"].get("content") for chunk in chunks for choice in chunk.choices]
    assert [one for one in text if one] == ["hi"]
    assert decoder.skipped == 0
