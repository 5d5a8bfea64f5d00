"""Calls of tools and their results in words, for a request that offers no tools.

Converse refuses blocks of tools where `toolConfig` is missing, and has no way to offer tools and
forbid them: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ToolChoice.html.
Offering the old ones again would have the model call what the caller does not offer.
"""

from __future__ import annotations

import msgspec

from callgate.core.chat import Json

_json = msgspec.json.Encoder().encode


def call_in_words(block: Json) -> Json:
    """A `toolUse` block as text."""
    call = block["toolUse"]
    return {"text": f"I called the tool {call['name']} with {_json(call['input']).decode()}."}


def result_in_words(name: str | None, content: list[Json], *, failed: bool) -> list[Json]:
    """The content of a `toolResult` behind the name of the tool; images and files stay as such."""
    tool = f"The tool {name}" if name else "A tool"
    words = f"{tool} {'failed' if failed else 'answered'}"
    if content and "text" in content[0]:
        return [{"text": f"{words}:\n{content[0]['text']}"}, *content[1:]]
    return [{"text": f"{words}{':' if content else ' nothing.'}"}, *content]
