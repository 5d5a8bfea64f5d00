"""Images, documents, sound and film as blocks of Converse.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ContentBlock.html
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Mapping
from types import MappingProxyType

from callgate.core.chat import Json, Part
from callgate.providers.refusal import invalid, unsupported

_IMAGES: Mapping[str, str] = MappingProxyType(
    {"png": "png", "jpeg": "jpeg", "jpg": "jpeg", "gif": "gif", "webp": "webp"}
)
_SOUNDS: Mapping[str, str] = MappingProxyType(
    {
        "mp3": "mp3", "mpeg": "mp3", "wav": "wav", "x-wav": "wav", "wave": "wav", "opus": "opus",
        "aac": "aac", "flac": "flac", "x-flac": "flac", "ogg": "ogg", "mp4": "mp4", "m4a": "m4a",
        "webm": "webm", "mka": "mka", "pcm": "pcm",
    }
)  # fmt: skip
_FILMS: Mapping[str, str] = MappingProxyType(
    {
        "mp4": "mp4", "webm": "webm", "quicktime": "mov", "mov": "mov", "x-matroska": "mkv",
        "mkv": "mkv", "mpeg": "mpeg", "mpg": "mpg", "x-flv": "flv", "flv": "flv",
        "x-ms-wmv": "wmv", "wmv": "wmv", "3gpp": "three_gp",
    }
)  # fmt: skip
_OFFICE = "vnd.openxmlformats-officedocument."
_DOCUMENTS: Mapping[str, str] = MappingProxyType(
    {
        "application/pdf": "pdf", "text/csv": "csv", "text/html": "html", "text/plain": "txt",
        "text/markdown": "md", "application/msword": "doc", "application/vnd.ms-excel": "xls",
        f"application/{_OFFICE}wordprocessingml.document": "docx",
        f"application/{_OFFICE}spreadsheetml.sheet": "xlsx",
    }
)  # fmt: skip
_EXTENSIONS = frozenset(_DOCUMENTS.values())
_GROUPS: Mapping[str, tuple[str, Mapping[str, str]]] = MappingProxyType(
    {"image": ("image", _IMAGES), "audio": ("audio", _SOUNDS), "video": ("video", _FILMS)}
)

_DATA_URL = re.compile(r"data:([\w.+-]+/[\w.+-]+)?(?:;[\w.+-]+=[^;,]*)*;base64,", re.IGNORECASE)
_S3 = re.compile(r"s3://[a-z0-9][.\-a-z0-9]{1,61}[a-z0-9](?:/.*)?")
_UNFIT = re.compile(r"[^A-Za-z0-9\s()\[\]-]+")
_SPACE = re.compile(r"\s+")
_MAX_NAME = 200


class Documents:
    """The names of the documents of one request, which have to differ."""

    __slots__ = ("_taken",)

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def name(self, filename: str) -> str:
        """A name that Converse takes: letters, digits, single spaces, hyphens and brackets."""
        stem = filename.rpartition(".")[0] or filename
        name = _SPACE.sub(" ", _UNFIT.sub(" ", stem)).strip()[: _MAX_NAME - 8] or "document"
        unique, number = name, 2
        while unique in self._taken:
            unique, number = f"{name} {number}", number + 1
        self._taken.add(unique)
        return unique


def image(part: Part, path: str) -> Json:
    """The block of an `image_url` part. Raises GatewayError for an address of the web."""
    given = part.image_url
    url = given if isinstance(given, str) else (given or {}).get("url")
    path = f"{path}.image_url" if isinstance(given, str) else f"{path}.image_url.url"
    if not isinstance(url, str):
        raise invalid(path, "must be text")
    detail = given.get("detail") if isinstance(given, dict) else None
    if detail not in (None, "auto"):
        raise unsupported(path.removesuffix("url") + "detail", "Bedrock supports only `auto`")
    if _S3.fullmatch(url):
        kind = _IMAGES.get(url.rpartition(".")[2].lower())
        if kind is None:
            raise unsupported(path, "the address has to end in .png, .jpeg, .gif or .webp")
        return {"image": {"format": kind, "source": {"s3Location": {"uri": url}}}}
    mime, data = _data_url(url, path)
    return _medium(mime, data, path, only="image")


def sound(part: Part, path: str) -> Json:
    """The block of an `input_audio` part."""
    given = part.input_audio if isinstance(part.input_audio, dict) else {}
    data, kind = given.get("data"), given.get("format")
    if not isinstance(data, str):
        raise invalid(f"{path}.input_audio.data", "must be text")
    named = _SOUNDS.get(kind) if isinstance(kind, str) else None
    if named is None:
        raise unsupported(f"{path}.input_audio.format", "Bedrock does not accept this audio format")
    source = {"bytes": _base64(data, f"{path}.input_audio.data")}
    return {"audio": {"format": named, "source": source}}


def file(part: Part, path: str, documents: Documents) -> Json:
    """The block of a `file` part: a document, an image, sound or film, as its data say."""
    given = part.file or {}
    if given.get("file_id") is not None:
        raise unsupported(f"{path}.file.file_id", "Bedrock does not store files; send `file_data`")
    data, filename = given.get("file_data"), given.get("filename")
    if not isinstance(data, str):
        raise invalid(f"{path}.file.file_data", "must be text")
    filename = filename if isinstance(filename, str) else ""
    mime, data = _data_url(data, f"{path}.file.file_data", bare=True)
    if mime.partition("/")[0] in _GROUPS:
        return _medium(mime, data, f"{path}.file.file_data")
    ending = filename.rpartition(".")[2].lower()
    kind = _DOCUMENTS.get(mime) or (ending if ending in _EXTENSIONS else None)
    if kind is None:
        raise unsupported(
            f"{path}.file.file_data", f"Bedrock does not accept documents of type {mime}"
        )
    name = documents.name(filename)
    return {"document": {"format": kind, "name": name, "source": {"bytes": data}}}


def _medium(mime: str, data: str, path: str, only: str = "") -> Json:
    group, _, kind = mime.partition("/")
    block, formats = _GROUPS.get(group, ("", {}))
    if kind not in formats or (only and group != only):
        raise unsupported(
            path, f"Bedrock does not accept {only or group} of type {mime[:100] or '?'}"
        )
    return {block: {"format": formats[kind], "source": {"bytes": data}}}


def _data_url(url: str, path: str, *, bare: bool = False) -> tuple[str, str]:
    """The media type and the base64 data of a data URL (RFC 2397)."""
    head = _DATA_URL.match(url)
    if head is not None:
        return (head[1] or "").lower(), _base64(url[head.end() :], path)
    if not bare or url[:5].lower() in ("data:", "http:", "https"):
        raise unsupported(path, "Bedrock does not fetch URLs; send a base64 data URL")
    return "", _base64(url, path)


def _base64(data: str, path: str) -> str:
    try:
        sound = bool(binascii.a2b_base64(data, strict_mode=True))
    except ValueError:  # also for what is not ASCII
        sound = False
    if not sound:
        raise invalid(path, "must be base64 and not empty")
    return data
