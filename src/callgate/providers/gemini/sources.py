"""What an answer of Gemini rests on: sources, and the likelihood of its tokens."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from callgate.core.chat import Json

MAX_SOURCES = 1000
_MAX_TEXT = 8192
"""Sources of an answer that are told, and characters of an address: many may name the same one."""


def annotations_of(candidate: Json) -> list[Json]:
    """OpenAI's `url_citation` annotations from grounding and citations, `MAX_SOURCES` at most.

    https://ai.google.dev/api/generate-content#v1beta.GroundingMetadata: segments are counted in
    bytes of UTF-8 there, which `in_characters` makes good.
    """
    out = list(islice(_grounded(candidate), MAX_SOURCES))
    cited = _object(candidate.get("citationMetadata"))
    for citation in _objects(cited.get("citations") or cited.get("citationSources")):
        source = {"url": citation.get("uri"), "title": citation.get("title")}
        if isinstance(source["url"], str):
            out.append(_citation(source, citation))
    return out[:MAX_SOURCES]


def in_characters(annotations: list[Json], text: str) -> list[Json]:
    """The annotations with places in the text as OpenAI counts them."""
    if text.isascii():
        return annotations
    raw = text.encode("utf-8", "replace")
    return [
        {**one, "url_citation": {**(cited := one["url_citation"]), **_places(cited, raw)}}
        for one in annotations
    ]


def _places(cited: Json, raw: bytes) -> Json:
    return {
        name: len(raw[: cited[name]].decode("utf-8", "ignore")) + max(cited[name] - len(raw), 0)
        for name in ("start_index", "end_index")
        if name in cited
    }


def _grounded(candidate: Json) -> Iterator[Json]:
    """What the segments of the answer rest on; where that is not said, what all of it does."""
    grounding = _object(candidate.get("groundingMetadata"))
    sources = [_source(chunk) for chunk in _objects(grounding.get("groundingChunks"))]
    said = False
    for support in _objects(grounding.get("groundingSupports")):
        segment = _object(support.get("segment"))
        indices = support.get("groundingChunkIndices")
        for index in indices if isinstance(indices, list) else ():
            if type(index) is int and 0 <= index < len(sources) and sources[index]:
                said = True
                yield _citation(sources[index], segment)
    if not said:
        yield from (_citation(source, {}) for source in sources if source)


def _source(chunk: Json) -> Json:
    for name in ("web", "retrievedContext", "maps"):
        given = _object(chunk.get(name))
        if isinstance(given.get("uri"), str):
            return {"url": given["uri"], "title": given.get("title")}
    return {}


def _citation(source: Json, segment: Json) -> Json:
    citation: Json = {"url": source["url"][:_MAX_TEXT]}
    if isinstance(source.get("title"), str):
        citation["title"] = source["title"][:_MAX_TEXT]
    start, end = segment.get("startIndex", 0), segment.get("endIndex")  # 0 is left out
    if type(start) is int and type(end) is int and 0 <= start <= end:
        citation["start_index"], citation["end_index"] = start, end
    return {"type": "url_citation", "url_citation": citation}


def logprobs_of(candidate: Json) -> Json | None:
    """OpenAI's `logprobs` from `logprobsResult`; None where there are none."""
    result = candidate.get("logprobsResult")
    if not isinstance(result, dict):
        return None
    tops = _objects(result.get("topCandidates"))
    content = []
    for at, chosen in enumerate(_objects(result.get("chosenCandidates"))):
        row = _logprob(chosen)
        listed = tops[at].get("candidates") if at < len(tops) else None
        row["top_logprobs"] = [_logprob(one) for one in _objects(listed)]
        content.append(row)
    return {"content": content, "refusal": None}


def _logprob(given: Json) -> Json:
    token = given.get("token")
    token = token if isinstance(token, str) else ""
    value = given.get("logProbability")
    return {
        "token": token,
        "logprob": value if type(value) in (int, float) else 0.0,
        "bytes": list(token.encode("utf-8", "replace")),
    }


def _object(value: object) -> Json:
    return value if isinstance(value, dict) else {}


def _objects(value: object) -> list[Json]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
