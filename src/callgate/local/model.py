"""What the embedded model is, and whether it can run here."""

from __future__ import annotations

from importlib.util import find_spec

from msgspec import Struct


class LocalModelError(Exception):
    """The embedded model cannot be had or run. `message` says why, `fix` what to do about it."""

    def __init__(self, message: str, fix: str) -> None:
        super().__init__(f"{message}\nFix: {fix}")
        self.message = message
        self.fix = fix


class LocalModel(Struct, frozen=True, kw_only=True):
    """One embedded model, as far as serving it goes; the catalogue has the rest.

    `context_length` is in tokens; each of the `slots` requests that run at once has all of it.
    """

    name: str
    display_name: str
    context_length: int
    slots: int


# From the file's own GGUF metadata: https://huggingface.co/HuggingFaceTB/SmolLM2-135M-Instruct
SMOLLM2 = LocalModel(
    name="smollm2-135m-instruct",
    display_name="SmolLM2 135M Instruct",
    context_length=8192,
    slots=2,
)


def installed() -> bool:
    """Whether the extra `local` is installed. Looks for llama.cpp without loading it."""
    return find_spec("xllamacpp") is not None
