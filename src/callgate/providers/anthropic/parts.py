"""Parts of a message as content blocks of the Messages API.

https://docs.anthropic.com/en/api/messages#body-messages-content; a block keeps the part's
`cache_control`. Text without a visible character is left out: the API takes no such block.
"""

from __future__ import annotations

import binascii
from base64 import b64decode
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType

from callgate.core.chat import Json, Part
from callgate.core.fault import Findings
from callgate.core.fieldpath import join

IMAGES = frozenset({"image/jpeg", "image/png", "image/gif", "image/webp"})
PDF = "application/pdf"
_PDF_START = "JVBERi"  # `%PDF-` in base64
_FILE_FIELDS = frozenset(
    {"file_data", "file_id", "file_url", "url", "filename", "title", "context", "citations"}
)


def blocks_of(content: str | list[Part] | None, path: str, found: Findings) -> list[Json]:
    """The blocks of a message's content, which stands at `path`. Faults go to `found`."""
    if content.__class__ is str:
        return text_blocks(content)
    blocks: list[Json] = []
    for number, part in enumerate(content or ()):
        assert isinstance(part, Part)
        made = _MAKERS.get(part.type, _untold)(part, f"{path}.content[{number}]", found)
        blocks += made
        if part.cache_control is not None and blocks:  # of blank text: what stands before it
            blocks[-1]["cache_control"] = part.cache_control
    return blocks


def text_blocks(text: str | None) -> list[Json]:
    """One block, or none where there is nothing to read."""
    return [{"type": "text", "text": text}] if text and not text.isspace() else []


def holds_files(blocks: Iterable[Json]) -> bool:
    """Whether a block names a file that was uploaded before."""
    return any(
        type(source := block.get("source")) is dict and source.get("type") == "file"
        for block in blocks
    )


def _text(part: Part, path: str, found: Findings) -> list[Json]:
    return text_blocks(part.text)


def _refusal(part: Part, path: str, found: Findings) -> list[Json]:
    return text_blocks(part.refusal)


def _untold(part: Part, path: str, found: Findings) -> list[Json]:
    """A type that nobody here knows: its path is among the request's unknown ones."""
    return []


def _audio(part: Part, path: str, found: Findings) -> list[Json]:
    found.fault(f"{path}.input_audio", "audio is not supported by this provider")
    return []


def _image(part: Part, path: str, found: Findings) -> list[Json]:
    path = f"{path}.image_url"
    image: Json = part.image_url if isinstance(part.image_url, dict) else {"url": part.image_url}
    for key, value in image.items():
        if key == "detail" and value not in (None, "auto"):
            found.fault(f"{path}.detail", "only 'auto' is supported by this provider")
        elif key not in ("url", "detail") and value is not None:
            found.fault(join(path, key), "not supported by this provider")
    source = _image_source(image.get("url"), f"{path}.url", found)
    return [{"type": "image", "source": source}] if source else []


def _image_source(url: object, path: str, found: Findings) -> Json | None:
    if not isinstance(url, str):
        return None
    if url[:5].lower() != "data:":
        return {"type": "url", "url": url}
    media, data = _data_url(url)
    if data is None or media not in IMAGES:
        kinds = ", ".join(sorted(IMAGES))
        found.fault(path, f"expected a URL, or a base64 data URL of one of {kinds}")
        return None
    return {"type": "base64", "media_type": media, "data": data}


def _file(part: Part, path: str, found: Findings) -> list[Json]:
    path, file = f"{path}.file", part.file or {}
    for key, value in file.items():
        if key not in _FILE_FIELDS and value is not None:
            found.fault(join(path, key), "not supported by this provider")
    for name in ("file_data", "file_url", "url", "file_id"):
        value = file.get(name)
        if value is not None:
            if not isinstance(value, str) or not value:
                found.fault(f"{path}.{name}", "expected a string")
                return []
            block = _SOURCES[name](value, f"{path}.{name}", found)
            return [_described(block, file)] if block else []
    found.fault(path, "expected one of file_data, file_url, file_id")
    return []


def _described(block: Json, file: Json) -> Json:
    if block["type"] == "document":
        title = file.get("title") or file.get("filename")
        more = {"title": title, "context": file.get("context"), "citations": file.get("citations")}
        block.update({key: value for key, value in more.items() if value is not None})
    return block


def _file_data(value: str, path: str, found: Findings) -> Json | None:
    if value.startswith(("http://", "https://")):
        return _file_url(value, path, found)
    media, data = _data_url(value)
    if data is None and value.startswith(_PDF_START):
        media, data = PDF, value
    if data is not None and media == PDF:
        return _document({"type": "base64", "media_type": PDF, "data": data})
    if data is not None and media in IMAGES:
        return {"type": "image", "source": {"type": "base64", "media_type": media, "data": data}}
    if data is not None and media == "text/plain":
        try:
            text = b64decode(data, validate=True).decode()
        except (binascii.Error, ValueError):
            found.fault(path, "expected UTF-8 text in base64")
            return None
        return _document({"type": "text", "media_type": "text/plain", "data": text})
    found.fault(path, f"expected a base64 data URL of {PDF}, text/plain or an image")
    return None


def _file_url(value: str, path: str, found: Findings) -> Json | None:
    return _document({"type": "url", "url": value})


def _file_id(value: str, path: str, found: Findings) -> Json | None:
    return _document({"type": "file", "file_id": value})


def _document(source: Json) -> Json:
    return {"type": "document", "source": source}


def _data_url(url: str) -> tuple[str, str | None]:
    """Media type and base64 data of a data URL (RFC 2397); None as data where it is none."""
    head, comma, _ = url[:200].partition(",")
    head = head.lower()
    if not comma or not head.startswith("data:") or not head.endswith(";base64"):
        return "", None
    media = head[5:].split(";")[0]
    return "image/jpeg" if media == "image/jpg" else media, url[len(head) + 1 :]


Maker = Callable[[Part, str, Findings], list[Json]]

_MAKERS: Mapping[str, Maker] = MappingProxyType(
    {
        "text": _text,
        "refusal": _refusal,
        "image_url": _image,
        "input_audio": _audio,
        "file": _file,
    }
)
_SOURCES: Mapping[str, Callable[[str, str, Findings], Json | None]] = MappingProxyType(
    {"file_data": _file_data, "file_url": _file_url, "url": _file_url, "file_id": _file_id}
)
