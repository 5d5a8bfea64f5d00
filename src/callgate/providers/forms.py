"""Which target has which form of structured output of its own, as rows.

The first row whose vendor or dialect and whose pattern (over the provider's id of the model) fit
holds; a server that no row speaks of is taken to have everything that its dialect has. What
the model's `supported_parameters` leave out is not used, whatever the row says.
"""

from __future__ import annotations

import re
from functools import lru_cache

from callgate.core.models import Model
from callgate.core.structured import Forms
from callgate.core.target import Target

_NONE = Forms(schema=None, object=False, tool="")
_JSON = Forms(schema=None)
_JSON_ALONE = Forms(schema=None, tool="")
_CLAUDE = Forms(schema=("claude-format",), object=False, arguments=("anthropic",))
_CLAUDE_TOOLS = Forms(schema=None, object=False, arguments=("anthropic",))
_GEMINI = Forms(
    schema=("gemini", "gemini-openapi"), arguments=("gemini", "gemini-openapi"), beside_tools=False
)
_OPENAI = Forms(schema=("openai-format",), lenient=True)
_LLAMA = Forms(schema=("llama.cpp",), tool="")
_CONVERSE = Forms(schema=("converse-format",), object=False, tool="")
_CONVERSE_CLAUDE = _CONVERSE._replace(tool="named", arguments=("bedrock",))

# Claude 3, 4 and 4.1, by Anthropic's, Amazon's and Google's ids.
_OLD_CLAUDE = (
    r"claude-(?:[123](?!\d)|instant|v[12]|4-)|claude-(?:opus|sonnet)-4(?:-\d{8}|@|-0|-1(?!\d)|$)"
)

# Those that cannot be made to call a function; see `anthropic.models`.
_UNFORCED = r"claude-(?:opus|sonnet)-5[.-]5|claude-(?:fable|mythos)-(?:5[.-][1-9](?!\d)|[6-9])"

_ROWS = tuple(
    (owners.split(), re.compile(pattern), forms)
    for owners, pattern, forms in (
        ("local llama.cpp", r"", _LLAMA),
        # https://developers.openai.com/api/docs/guides/structured-outputs: gpt-4o and later
        ("openai", r"^o1-(?:mini|preview)|^chatgpt|^gpt-4(?:-0613|-32k.*)?$", _NONE),
        ("openai", r"^gpt-3\.5|^gpt-4-(?:turbo|1106|0125)|^gpt-4o-2024-05-13", _JSON),
        ("openai azure responses", r"", _OPENAI),
        # https://platform.claude.com/docs/en/build-with-claude/structured-outputs
        ("anthropic", _OLD_CLAUDE, _CLAUDE_TOOLS),
        ("anthropic vertex", _UNFORCED, _CLAUDE._replace(tool="")),
        ("anthropic", r"claude", _CLAUDE),
        ("anthropic", r"", _CLAUDE_TOOLS),
        # The same page on Vertex AI: from Claude 4.6 on.
        ("vertex", _OLD_CLAUDE + r"|claude-(?:opus|sonnet|haiku)-4-5", _CLAUDE_TOOLS),
        ("vertex", r"claude", _CLAUDE),
        # https://ai.google.dev/gemini-api/docs/structured-output; Gemma has none of it
        ("gemini vertex", r"gemma", _NONE),
        # https://ai.google.dev/gemini-api/docs/gemini-3: with functions at the same time
        ("gemini vertex", r"gemini-(?:[3-9]|\d\d)", _GEMINI._replace(beside_tools=True)),
        ("gemini vertex", r"", _GEMINI),
        # https://docs.aws.amazon.com/bedrock/latest/userguide/structured-output.html; which models
        # can be made to call a function:
        # https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ToolChoice.html
        ("bedrock", _OLD_CLAUDE, _CLAUDE_TOOLS._replace(arguments=("bedrock",))),
        ("bedrock", _UNFORCED, _CONVERSE),
        ("bedrock", r"anthropic\.", _CONVERSE_CLAUDE),
        ("bedrock", r"amazon\.nova", _CLAUDE_TOOLS._replace(arguments=("nova",))),
        ("bedrock", r"mistral\.(?:magistral|ministral|voxtral|mistral-large-3)", _CONVERSE),
        ("bedrock", r"openai\.gpt-oss|qwen\.qwen3|deepseek\.v3|google\.gemma-3", _CONVERSE),
        ("bedrock", r"minimax\.|moonshot|nvidia\.nemotron", _CONVERSE),
        ("bedrock", r"mistral\.mistral-large", _CLAUDE_TOOLS._replace(tool="required")),
        ("bedrock", r"", _NONE),
        # https://docs.cohere.com/docs/structured-outputs: not together with tools
        ("cohere", r"^command-(?:light|nightly)|^command$|aya", _NONE),
        ("cohere", r"", Forms(schema=("cohere-format",), tool="required", beside_tools=False)),
        # https://api-docs.deepseek.com/guides/json_mode: no schemas
        ("deepseek", r"reasoner", _JSON_ALONE),
        ("deepseek", r"", _JSON),
        # https://console.groq.com/docs/structured-outputs: some models, and not with tools
        ("groq", r"gpt-oss|kimi-k2|llama-4", Forms(beside_tools=False)),
        ("groq", r"", _JSON._replace(beside_tools=False)),
        # https://www.alibabacloud.com/help/en/model-studio/json-mode
        ("alibaba", r"", _JSON),
        # https://platform.kimi.ai/docs/guide/use-json-mode-feature-of-kimi-api
        ("moonshot", r"", _JSON_ALONE),
    )
)


def forms_of(target: Target) -> Forms:
    """What a target has of its own."""
    deployment = target.deployment
    vendor = deployment.vendor
    forms = forms_by_name(vendor.name, vendor.dialect, deployment.upstream_model)
    return _within(target.model, forms) if target.model.supported_parameters else forms


@lru_cache(maxsize=1024)
def forms_by_name(vendor: str, dialect: str, upstream_model: str) -> Forms:
    """What a vendor's model has of its own, by the provider's id of the model."""
    name = upstream_model.lower()
    for owners, pattern, forms in _ROWS:
        fits = vendor in owners or (dialect in owners and dialect != "openai")
        if fits and pattern.search(name):
            return forms
    return Forms()


def _within(model: Model, forms: Forms) -> Forms:
    """Without what the model's parameters leave out."""
    supported = model.supported_parameters
    if "response_format" not in supported:
        forms = forms._replace(schema=None, object=False)
    if "tools" not in supported or "tool_choice" not in supported:
        forms = forms._replace(tool="")
    return forms
