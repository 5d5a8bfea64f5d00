"""Requests to paths that are not served: what was probably meant, and what to change.

Clients of other APIs are recognised by their paths: Anthropic's Messages
(https://docs.anthropic.com/en/api/messages), OpenAI's Responses, Completions and other endpoints
(https://platform.openai.com/docs/api-reference), Gemini's
(https://ai.google.dev/api/generate-content), Bedrock's
(https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html), Ollama's
(https://github.com/ollama/ollama/blob/main/docs/api.md).
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from typing import NamedTuple

from callgate.core.present import DOCS_PATH
from callgate.core.redact import redact
from callgate.errors import TAXONOMY, GatewayError
from callgate.web.chat import CHAT_PATH

_LONGEST = 256
_LISTED = "`/openapi.json` lists what is served."
_ONE_API = (
    "`POST /v1/chat/completions` takes requests in OpenAI's form for the models of every vendor"
)


class _Way(NamedTuple):
    """A path that clients often request by mistake. `hint` ends the message."""

    form: re.Pattern[str]
    hint: str
    cause: str
    fix: str


def _way(form: str, hint: str, cause: str, fix: str) -> _Way:
    return _Way(re.compile(form, re.IGNORECASE), hint, cause, fix)


_MEANT_CHAT = f"; did you mean {CHAT_PATH!r}?"
_ONLY_CHAT = "; only chat completions are served here"
_BASE_URL = (
    "Set the client's `base_url` to this gateway's address followed by `/v1`, once: the client "
    "adds `/chat/completions` itself."
)
_GEMINI = r"/v1(?:alpha|beta)?/.+:(?:stream)?generatecontent"
_WAYS = (
    _way(
        r"/.+/chat/completions/chat/completions", _MEANT_CHAT,
        "The client adds `/chat/completions` to a `base_url` that already ends with it.",
        _BASE_URL,
    ),
    _way(
        r"/openai/deployments/.+", _MEANT_CHAT,
        "This is a path of Azure's API; a client for Azure was pointed at this gateway.",
        f"Use a client for OpenAI in place of the one for Azure. {_BASE_URL}",
    ),
    _way(
        r"(/.+)?/v1/v1/.+", "", "The client adds `/v1` to a `base_url` that already ends with it.",
        "Leave `/v1` out of the `base_url`, or out of the path that you add to it.",
    ),
    _way(
        r"(/.+)?/chat/completions?", _MEANT_CHAT,
        "The part before `/chat/completions` is not `/v1`, or something is misspelt.",
        _BASE_URL,
    ),
    _way(
        r"(/v1)?/(embeddings|audio|images|videos|moderations|files|uploads|batches|fine_tuning|"
        r"vector_stores|assistants|threads|realtime|rerank|understanding)(/.*)?|"
        r"/v2/(transcript|upload)(/.*)?",
        _ONLY_CHAT,
        "This path belongs to an API other than chat.",
        "Ask the provider of that API itself, with its own key and address.",
    ),
    _way(
        r"(/.+)?/messages(/.+)?", _MEANT_CHAT,
        "This is a path of Anthropic's Messages API, which is not served here.",
        f"Use a client for OpenAI: {_ONE_API}, Anthropic's too.",
    ),
    _way(
        r"(/.+)?/responses(/.+)?", _MEANT_CHAT,
        "This is a path of OpenAI's Responses API, which is not served here.",
        "Use Chat Completions: `client.chat.completions.create` in OpenAI's SDKs, "
        "`use_responses_api=False` in LangChain, `openai.chat(…)` in the AI SDK, "
        '`set_default_openai_api("chat_completions")` in the Agents SDK.',
    ),
    _way(
        r"(/v1)?/(engines/.+/)?completions", _MEANT_CHAT,
        "This is OpenAI's older Completions API, which is not served here.",
        f"Send the same `prompt` to `{CHAT_PATH}`, which accepts it instead of `messages`; in "
        "LlamaIndex, set `is_chat_model=True`.",
    ),
    _way(
        rf"{_GEMINI}|/v1beta/.+", _MEANT_CHAT,
        "This is a path of Gemini's API, which is not served here.",
        f"Use a client for OpenAI: {_ONE_API}, Google's too.",
    ),
    _way(
        r"/model/.+/(converse|invoke).*", _MEANT_CHAT,
        "This is a path of Bedrock's API, which is not served here.",
        f"Use a client for OpenAI: {_ONE_API}, those on Bedrock too.",
    ),
    _way(
        r"/api/(chat|generate)", _MEANT_CHAT,
        "This is a path of Ollama's API, which is not served here.",
        f"Use a client for OpenAI: {_ONE_API}.",
    ),
    _way(
        r"/(v1)?", "", "This is the base of the API, not one of its routes.",
        f"`GET /v1/models` lists the models, `POST {CHAT_PATH}` asks one; {_LISTED}",
    ),
    _way(
        r"/(docs|redoc|swagger.*|openapi(\.ya?ml)?|api-docs)", "; did you mean '/openapi.json'?",
        "No documentation pages are served, only the OpenAPI document.",
        "Open `/openapi.json` with a viewer of OpenAPI documents.",
    ),
    _way(
        r"/(livez?|liveness|ping|healthcheck|status)", "; did you mean '/health'?",
        "This gateway serves no such path.",
        "`/health` says whether the process is alive, `/ready` whether it can serve requests.",
    ),
)  # fmt: skip


def is_geminis(path: str) -> bool:
    """Whether it is a path of Gemini's, which may look like that of a model of ours."""
    return re.fullmatch(_GEMINI, path[:_LONGEST], re.IGNORECASE) is not None


def unknown_path(path: str, served: Sequence[str]) -> GatewayError:
    """The `path_not_found` for a path, given those that are served."""
    asked = path[:_LONGEST]
    folded = "/" + re.sub("/{2,}", "/", asked).strip("/")
    hint, cause, fix = _nearest(asked, folded, [one for one in served if "{" not in one])
    return GatewayError(
        "path_not_found", f"No such path: {redact(asked)!r}{hint}", cause=cause, fix=fix
    )


def _nearest(asked: str, folded: str, served: Sequence[str]) -> tuple[str, str | None, str | None]:
    if folded in served:
        slash = "Leave out the slash at the end" if asked == f"{folded}/" else "Check the slashes"
        return f"; did you mean {folded!r}?", None, f"{slash}: the path is `{folded}`."
    if folded.startswith(DOCS_PATH):
        return _error_type(folded.removeprefix(DOCS_PATH))
    for way in _WAYS:
        if way.form.fullmatch(folded):
            return way.hint or _meant(folded, served), way.cause, way.fix
    return _meant(folded, served), None, None


def _meant(folded: str, served: Sequence[str]) -> str:
    for candidate in (folded, f"/v1{folded}", folded.replace("/v1/v1/", "/v1/")):
        near = difflib.get_close_matches(candidate.lower(), served, n=1, cutoff=0.8)
        if near:
            return f"; did you mean {near[0]!r}?"
    return ""


def _error_type(name: str) -> tuple[str, str | None, str | None]:
    near = difflib.get_close_matches(name, TAXONOMY, n=1, cutoff=0.6)
    hint = f"; did you mean {DOCS_PATH + near[0]!r}?" if near else ""
    return hint, "There is no error of this type.", f"`{DOCS_PATH.rstrip('/')}` lists the types."
