"""A whole answer, whatever dialect it came in."""

from __future__ import annotations

from callgate.core.chat import Json, Usage


class ChatResponse:
    """A whole answer. Each of `choices` is OpenAI's choice object with `native_finish_reason`.

    The choices stay dicts, because these are the common tongue that every dialect is translated
    into. `model` is the provider's own word for the model; `extra` holds its further top-level
    fields (`system_fingerprint`, `service_tier`, …).
    """

    __slots__ = ("choices", "created", "extra", "id", "model", "usage")

    def __init__(
        self,
        *,
        id: str,  # noqa: A002
        created: int,
        model: str,
        choices: list[Json],
        usage: Usage | None = None,
        extra: Json | None = None,
    ) -> None:
        self.id = id
        self.created = created
        self.model = model
        self.choices = choices
        self.usage = usage
        self.extra: Json = {} if extra is None else extra
