"""What a request may use, where no provider has said."""

from __future__ import annotations

from callgate.core.chat import Usage
from callgate.core.models import Model
from callgate.core.request import ChatRequest
from callgate.core.validate import prompt_bytes


def estimate(request: ChatRequest, model: Model, output: int = 0) -> Usage:
    """Four bytes of prompt to a token, and these tokens of output."""
    prompt = len(prompt_bytes(request)) // 4
    if model.context_length:  # what is longer are images, or is refused by the provider
        prompt = min(prompt, model.context_length)
    return Usage(
        input_tokens=prompt, output_tokens=output, total_tokens=prompt + output, estimated=True
    )
