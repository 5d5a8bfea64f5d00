"""A chat request that has been found valid."""

from __future__ import annotations

from msgspec import Raw

from callgate.core.callitems import Turned
from callgate.core.chat import ChatBody, Message
from callgate.core.value import Value


class ChatRequest(Value):
    """A validated request, with the untouched original that every attempt encodes from.

    `raw` maps each top-level field to its bytes as received; `unknown` lists the paths of fields
    that have no meaning here (they pass to an OpenAI-dialect upstream and are refused elsewhere);
    `messages` is never empty: a `prompt` has become one user message. `turned` says what they were
    made of, where the caller's were not messages all.
    """

    __slots__ = ("body", "messages", "raw", "turned", "unknown")
    __match_args__ = ("body", "raw", "messages", "unknown", "turned")

    def __init__(
        self,
        body: ChatBody,
        raw: dict[str, Raw],
        messages: list[Message],
        unknown: tuple[str, ...] = (),
        turned: Turned | None = None,
    ) -> None:
        self.body = body
        self.raw = raw
        self.messages = messages
        self.unknown = unknown
        self.turned = turned

    @property
    def has_answer(self) -> bool:
        """Whether the messages contain an earlier answer."""
        return "assistant" in [message.role for message in self.messages]

    @property
    def wants_usage(self) -> bool:
        """Whether a stream is to end with a chunk that carries the usage."""
        options = self.body.stream_options
        return options is not None and bool(options.include_usage)
