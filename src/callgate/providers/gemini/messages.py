"""The messages of a chat as Gemini's contents.

https://ai.google.dev/api/caching#Content, https://ai.google.dev/gemini-api/docs/function-calling
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from callgate.core.chat import Json, Message, Part
from callgate.core.jsontext import parse
from callgate.core.target import Target
from callgate.providers.callids import CallIds
from callgate.providers.gemini import signature
from callgate.providers.gemini.media import NOTHING, media_of, part_of, parts_of
from callgate.providers.gemini.models import Family, family_of, told_name
from callgate.providers.refusal import invalid, unsupported
from callgate.providers.speaker import spoken


class _Call(NamedTuple):
    name: str
    place: int


class Conversation:
    """Builds `system` (the parts of the system instruction) and `contents`.

    Every system and developer message goes into the one instruction that Gemini has. Results of
    tools that follow each other become one turn, in the order of their calls. Raises GatewayError
    `unsupported_field` or `invalid_field` with the path of what cannot be said.
    """

    def __init__(self, target: Target) -> None:
        self.system: list[Json] = []
        self.contents: list[Json] = []
        self._target = target
        self._family: Family = family_of(target)
        self._ids = CallIds(str)  # Gemini takes any id, but each only once
        self._calls: dict[str, _Call] = {}  # by the id that Gemini is told
        self._results: list[tuple[int, Json]] = []
        self._roles: Mapping[str, Callable[[Message, str, list[Json]], None]] = {
            "system": self._system,
            "developer": self._system,
            "user": self._user,
            "assistant": self._assistant,
            "tool": self._tool,
            "function": self._function,
        }

    def add(self, message: Message, path: str, media: list[Json] | None = None) -> None:
        """Take the next message; `media` are the pictures that an answer of ours bore."""
        if message.role != "tool":
            self.end()
        for name in ("cache_control", "function_call", "audio"):
            if getattr(message, name) is not None:
                raise unsupported(f"{path}.{name}", "not supported by Gemini")
        if message.role not in ("tool", "function"):
            message = spoken(message)
        self._roles[message.role](message, path, media or [])

    def end(self) -> None:
        """Close a turn of results."""
        if self._results:
            self._results.sort(key=lambda result: result[0])
            parts = [part for _, part in self._results]
            self.contents.append({"role": "user", "parts": parts})
            self._results = []

    def _system(self, message: Message, path: str, media: list[Json]) -> None:
        parts = parts_of(message.content, path, self._target)
        for at, part in enumerate(parts):
            if "text" not in part:
                raise unsupported(f"{path}.content[{at}]", "a system message may contain only text")
        self.system += [part for part in parts if part != NOTHING]

    def _user(self, message: Message, path: str, media: list[Json]) -> None:
        parts = parts_of(message.content, path, self._target)
        self.contents.append({"role": "user", "parts": parts})

    def _assistant(self, message: Message, path: str, media: list[Json]) -> None:
        text, others = self._split(message.content, path)
        text += message.refusal or ""
        details = message.reasoning_details or []
        thoughts, pieces, signed = signature.restore(text, details)
        thought = message.reasoning_content or message.reasoning
        if thought and not thoughts:
            thoughts = [{"text": thought, "thought": True}]
        parts = [*thoughts, *pieces, *others]
        for at, one in enumerate(media):
            parts.append(self._picture(one, f"{path}.images[{at}]"))
        parts += self._called(message, path, signed)
        self.contents.append({"role": "model", "parts": parts or [{"text": ""}]})

    def _split(self, content: str | list[Part] | None, path: str) -> tuple[str, list[Json]]:
        """The text of an answer, to which signatures refer, and what else it holds."""
        if content is None or isinstance(content, str):
            return content or "", []
        parts = parts_of(content, path, self._target)
        text = "".join(part["text"] for part in parts if "text" in part)
        return text, [part for part in parts if "text" not in part]

    def _picture(self, image: Json, path: str) -> Json:
        inner = image.get("image_url")
        url = inner.get("url") if isinstance(inner, dict) else None
        if not isinstance(url, str):
            raise invalid(path, "must be an image as it came in the answer")
        part = media_of(url, f"{path}.image_url.url", self._target)
        extra = image.get("extra_content")
        sign = signature.on_call(extra if isinstance(extra, dict) else None)
        return {**part, "thoughtSignature": sign} if sign else part

    def _called(self, message: Message, path: str, signed: Mapping[str, str]) -> list[Json]:
        parts: list[Json] = []
        family = self._family
        if message.tool_calls:
            self._ids.turn()
        for at, call in enumerate(message.tool_calls or ()):
            where = f"{path}.tool_calls[{at}]"
            if call.function is None:
                raise unsupported(f"{where}.type", "Gemini can call only functions")
            name = told_name(call.function.name)
            made: Json = {"name": name, "args": self._arguments(call, where)}
            id_ = self._ids.call(call.id)
            if family.ids:
                made["id"] = id_
            part: Json = {"functionCall": made}
            sign = signature.on_call(call.extra_content) or signed.get(call.id, "")
            if not sign and at == 0 and family.ids:
                sign = signature.SKIPPED
            if sign:
                part["thoughtSignature"] = sign
            parts.append(part)
            self._calls[id_] = _Call(name, at)
        return parts

    def _arguments(self, call: Any, path: str) -> Json:
        text = call.function.arguments
        arguments: Any
        if not text.strip():
            return {}
        try:
            arguments = parse(text.encode("utf-8", "replace"))
        except ValueError:
            arguments = text
        if arguments is None:  # Groq says `null` for no arguments
            arguments = {}
        if not isinstance(arguments, dict):
            raise invalid(f"{path}.function.arguments", "Gemini accepts only a JSON object")
        return arguments

    def _tool(self, message: Message, path: str, media: list[Json]) -> None:
        id_ = self._ids.result(message.tool_call_id or "")
        call = self._calls.get(id_)
        if call is None and not message.name:
            raise invalid(f"{path}.tool_call_id", "no earlier message calls a tool by this id")
        name = call.name if call else told_name(message.name or "")
        result: Json = {"name": name, "response": {}}
        if self._family.ids:
            result["id"] = id_
        text: list[str] = []
        files: list[Json] = []
        content = message.content
        for at, part in enumerate(content if isinstance(content, list) else ()):
            where = f"{path}.content[{at}]"
            made = part_of(part, where, self._target)
            if "text" in made:
                text.append(made["text"])
            elif "inlineData" in made and self._family.media_results:
                files.append(made)
            else:
                raise unsupported(where, "the model does not accept this in a tool's result")
        told = content if isinstance(content, str) else "".join(text)
        result["response"] = _response(told, failed=bool(message.is_error))
        if files:
            result["parts"] = files
        place = call.place if call else len(self._calls)
        self._results.append((place, {"functionResponse": result}))

    def _function(self, message: Message, path: str, media: list[Json]) -> None:
        raise unsupported(f"{path}.role", "use the role 'tool'")


def _response(text: str, *, failed: bool) -> Json:
    """A result as the object that Gemini wants: as it is, or under a name.

    https://ai.google.dev/api/caching#FunctionResponse has `error` for what went wrong, and takes a
    `$ref` for the name of a file beside the result: with one, as in a JSON Schema, it is told as
    text.
    """
    value: Json | str = text
    if text.lstrip().startswith("{") and '"$ref"' not in text:
        try:
            parsed = parse(text.encode("utf-8", "replace"))
        except ValueError:
            parsed = None
        if isinstance(parsed, dict):
            value = parsed
    if failed:
        return {"error": value}
    return value if isinstance(value, dict) else {"result": value}
