"""Content parts of a message as Gemini's parts.

https://ai.google.dev/api/caching#Part; URLs: https://ai.google.dev/gemini-api/docs/file-input-methods
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any

from callgate.core.chat import Json, Message, Part
from callgate.core.target import Target
from callgate.providers.gemini.models import is_vertex
from callgate.providers.refusal import invalid, unsupported

_EXTENSIONS: Mapping[str, str] = MappingProxyType(
    {
        "png": "image/png", "jpg": "image/jpeg", "jpeg": "image/jpeg", "webp": "image/webp",
        "gif": "image/gif", "heic": "image/heic", "heif": "image/heif", "bmp": "image/bmp",
        "pdf": "application/pdf", "txt": "text/plain", "md": "text/markdown", "csv": "text/csv",
        "html": "text/html", "json": "application/json", "xml": "text/xml",
        "wav": "audio/wav", "mp3": "audio/mp3", "aac": "audio/aac", "ogg": "audio/ogg",
        "flac": "audio/flac", "m4a": "audio/m4a", "aiff": "audio/aiff", "opus": "audio/opus",
        "mp4": "video/mp4", "mpeg": "video/mpeg", "mpg": "video/mpg", "mov": "video/mov",
        "webm": "video/webm", "wmv": "video/wmv", "avi": "video/avi", "flv": "video/x-flv",
    }
)  # fmt: skip

_AUDIO: Mapping[str, str] = MappingProxyType(
    {
        "wav": "audio/wav", "mp3": "audio/mp3", "aac": "audio/aac", "flac": "audio/flac",
        "ogg": "audio/ogg", "opus": "audio/opus", "m4a": "audio/m4a", "aiff": "audio/aiff",
        "pcm16": "audio/pcm",
    }
)  # fmt: skip

RESOLUTIONS: Mapping[str, str] = MappingProxyType(
    {
        "low": "MEDIA_RESOLUTION_LOW",
        "medium": "MEDIA_RESOLUTION_MEDIUM",
        "high": "MEDIA_RESOLUTION_HIGH",
    }
)
"""The details of a picture, of which Gemini takes one for all pictures of a request."""

NOTHING: Json = {"text": ""}
"""A part without a word, as clients send it that always fill in a field."""
_SCHEMES = ("https://", "gs://", "http://")


def parts_of(content: str | list[Part] | None, path: str, target: Target) -> list[Json]:
    """The parts that a message's content becomes; `path` is the message's.

    Raises GatewayError `unsupported_field` with the path of a part that Gemini cannot take.
    """
    if content is None:
        return []
    if isinstance(content, str):
        return [{"text": content}]
    parts = [part_of(part, f"{path}.content[{at}]", target) for at, part in enumerate(content)]
    # Vertex AI: "it has an empty text parameter"
    return [part for part in parts if part != NOTHING] or parts[:1]


def part_of(part: Part, path: str, target: Target) -> Json:
    """One part; see `parts_of`."""
    make = _PARTS.get(part.type)
    if make is None:
        raise unsupported(
            f"{path}.type", f"Gemini does not accept a part of type '{part.type[:100]}'"
        )
    if part.cache_control is not None:
        raise unsupported(f"{path}.cache_control", "Gemini caches automatically")
    return make(part, path, target)


def media_of(url: str, path: str, target: Target, mime: str = "") -> Json:
    """Media by a `data:` URL, as `inlineData`, or by an address, as `fileData`."""
    if url.startswith("data:"):
        head, comma, data = url[5:].partition(",")
        kind, *marks = head.split(";")
        if not comma or "base64" not in marks or "/" not in kind:
            raise invalid(path, "must be base64: data:<type>;base64,<data>")
        kind = mime or kind
        if kind == "image/jpg":  # common, and unknown to Google
            kind = "image/jpeg"
        return {"inlineData": {"mimeType": kind, "data": data}}
    if not url.startswith(_SCHEMES):
        raise invalid(path, "must be a data:, https:// or gs:// URL")
    file = {"fileUri": url}
    kind = mime or _EXTENSIONS.get(_extension(url), "")
    if kind:
        file["mimeType"] = kind
    elif is_vertex(target):  # which demands a type; Google AI finds it out
        raise unsupported(path, "Vertex AI needs a URL that ends in a known extension")
    return {"fileData": file}


def resolution_of(messages: Iterable[Message]) -> str:
    """The resolution that the pictures ask for, empty where they leave it to Gemini.

    Raises GatewayError `unsupported_field` where they ask for different ones.
    """
    found = ""
    for index, message in enumerate(messages):
        content = message.content
        for at, part in enumerate(content if isinstance(content, list) else ()):
            image = part.image_url
            detail = image.get("detail") if isinstance(image, dict) else None
            wanted = RESOLUTIONS.get(detail, "") if isinstance(detail, str) else ""
            if found and wanted and wanted != found:
                path = f"messages[{index}].content[{at}].image_url.detail"
                raise unsupported(path, "Gemini uses one resolution for all images")
            found = wanted or found
    return found


def _extension(url: str) -> str:
    name = url.partition("?")[0].partition("#")[0].rpartition("/")[2]
    return name.rpartition(".")[2].lower()


def _text(part: Part, path: str, target: Target) -> Json:
    return {"text": part.text or ""}


def _refusal(part: Part, path: str, target: Target) -> Json:
    return {"text": part.refusal or ""}


def _image(part: Part, path: str, target: Target) -> Json:
    image: Any = part.image_url
    where = f"{path}.image_url"
    if isinstance(image, str):
        return media_of(image, where, target)
    _only(image, where, ("url", "detail", "format", "mime_type"))
    if image.get("detail") not in (None, "auto", *RESOLUTIONS):
        raise unsupported(f"{where}.detail", f"expected one of auto,  {', '.join(RESOLUTIONS)}")
    mime = image.get("format") or image.get("mime_type") or ""
    return media_of(_string(image, "url", where), f"{where}.url", target, str(mime))


def _sound(part: Part, path: str, target: Target) -> Json:
    sound: Json = part.input_audio if isinstance(part.input_audio, dict) else {}
    where = f"{path}.input_audio"
    _only(sound, where, ("data", "format"))
    data = _string(sound, "data", where)
    if data.startswith("data:"):
        return media_of(data, f"{where}.data", target)
    name = sound.get("format", "wav")
    mime = _AUDIO.get(name) if isinstance(name, str) else None
    if mime is None:
        raise unsupported(f"{where}.format", f"expected one of {', '.join(_AUDIO)}")
    return {"inlineData": {"mimeType": mime, "data": data}}


def _file(part: Part, path: str, target: Target) -> Json:
    file = part.file or {}
    where = f"{path}.file"
    _only(file, where, ("file_data", "filename", "file_id", "format", "mime_type"))
    mime = file.get("format") or file.get("mime_type") or ""
    name = file.get("filename")
    if file.get("file_id") is not None:
        uri = _string(file, "file_id", where)
        if uri.startswith("files/") and not is_vertex(target):
            deployment = target.deployment
            return {"fileData": {"fileUri": f"{deployment.origin}{deployment.path}/{uri}"}}
        return media_of(uri, f"{where}.file_id", target, str(mime))
    data = _string(file, "file_data", where)
    if data.startswith(("data:", *_SCHEMES)):
        made = media_of(data, f"{where}.file_data", target, str(mime))
    else:
        kind = str(mime) or _EXTENSIONS.get(_extension(name) if isinstance(name, str) else "", "")
        if not kind:
            raise invalid(f"{where}.file_data", "must be base64: data:<type>;base64,<data>")
        made = {"inlineData": {"mimeType": kind, "data": data}}
    if isinstance(name, str) and is_vertex(target) and "inlineData" in made:
        made["inlineData"]["displayName"] = name
    return made


def _only(given: Any, path: str, names: tuple[str, ...]) -> None:
    if not isinstance(given, dict):
        raise invalid(path, "must be an object")
    for name in given:
        if name not in names:
            raise unsupported(f"{path}.{name}"[:300], "not supported by Gemini")


def _string(given: Json, name: str, path: str) -> str:
    value = given.get(name)
    if not isinstance(value, str) or not value:
        raise invalid(f"{path}.{name}", "must be a string")
    return value


_PARTS: Mapping[str, Callable[[Part, str, Target], Json]] = MappingProxyType(
    {
        "text": _text,
        "refusal": _refusal,
        "image_url": _image,
        "input_audio": _sound,
        "file": _file,
    }
)
