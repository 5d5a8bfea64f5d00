"""The vendors that Callgate knows, as rows, and the dialects that they speak.

A row's sources are the vendor's own pages, named above it. A server that speaks the OpenAI dialect
and has no row is configured with `dialect = "openai"` and its `base_url`.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from callgate.core.models import Vendor
from callgate.core.request import ChatRequest
from callgate.core.target import Target
from callgate.providers.anthropic.dialect import Anthropic
from callgate.providers.anthropic.vertex import VertexClaude
from callgate.providers.azure import Azure
from callgate.providers.base import Dialect
from callgate.providers.bedrock.dialect import Bedrock
from callgate.providers.cohere.dialect import Cohere
from callgate.providers.gemini.dialect import Gemini
from callgate.providers.openai.dialect import OpenAI
from callgate.providers.responses.choice import needs_responses
from callgate.providers.responses.dialect import Responses
from callgate.providers.vertex import Vertex

_ROWS = (
    # https://platform.openai.com/docs/api-reference/chat/create
    Vendor(
        name="openai",
        dialect="openai",
        base_url="https://api.openai.com/v1",
        env="OPENAI_API_KEY",
        max_tokens_field="max_completion_tokens",
        stops_at_calls=True,
        gives_reason=True,
    ),
    # https://ai.google.dev/api/generate-content
    Vendor(
        name="gemini",
        dialect="gemini",
        base_url="https://generativelanguage.googleapis.com/v1beta",
        env="GEMINI_API_KEY",
        auth="x-goog-api-key",
    ),
    # https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/inference
    Vendor(
        name="vertex",
        dialect="vertex",
        base_url="https://aiplatform.googleapis.com/v1",
        auth="google",
        request_id_header="request-id",  # Claude's; Gemini's answers carry none
    ),
    # The model that Callgate itself runs: llama.cpp's server on loopback, with a key of its own.
    Vendor(name="local", dialect="local"),
    Vendor(name="openai-compatible", dialect="openai"),
    # https://console.groq.com/docs/openai; an earlier answer's fields are those of
    # https://console.groq.com/docs/api-reference#chat-create, and others refused
    Vendor(
        name="groq",
        dialect="openai",
        base_url="https://api.groq.com/openai/v1",
        env="GROQ_API_KEY",
        max_tokens_field="max_completion_tokens",
        answer_fields=frozenset({"function_call", "reasoning"}),
        gives_reason=True,
    ),
    # https://docs.mistral.ai/api/: usage comes with the last chunk, and asking is refused; so are
    # fields of an earlier answer that it does not know, and ids of calls in a form not its own
    # (https://mistralai.github.io/mistral-common/usage/tools/)
    Vendor(
        name="mistral",
        dialect="openai",
        base_url="https://api.mistral.ai/v1",
        env="MISTRAL_API_KEY",
        stream_usage=False,
        request_id_header="mistral-correlation-id",
        answer_fields=frozenset(),
        thoughts_in_parts=True,
        developer=False,
        short_ids=True,
        seed_field="random_seed",
        gives_reason=True,
    ),
    # https://api-docs.deepseek.com/guides/thinking_mode
    Vendor(
        name="deepseek",
        dialect="openai",
        base_url="https://api.deepseek.com",
        env="DEEPSEEK_API_KEY",
        developer=False,
        calls_need_thoughts=True,
        request_id_header="x-ds-trace-id",
        gives_reason=True,
    ),
    # https://docs.x.ai/docs/api-reference#chat-completions
    Vendor(
        name="xai",
        dialect="openai",
        base_url="https://api.x.ai/v1",
        env="XAI_API_KEY",
        max_tokens_field="max_completion_tokens",
        bill="xai",
        gives_reason=True,
    ),
    # https://openrouter.ai/docs/use-cases/usage-accounting: usage comes unasked
    Vendor(
        name="openrouter",
        dialect="openai",
        base_url="https://openrouter.ai/api/v1",
        env="OPENROUTER_API_KEY",
        stops_at_calls=True,
        bill="openrouter",
        gives_reason=True,
    ),
    # https://docs.together.ai/docs/inference/openai-compatibility
    Vendor(
        name="together",
        dialect="openai",
        base_url="https://api.together.ai/v1",
        env="TOGETHER_API_KEY",
        developer=False,
        gives_reason=True,
    ),
    # https://docs.fireworks.ai/tools-sdks/openai-compatibility; what else there is in an answer is
    # refused ("Extra inputs are not permitted")
    Vendor(
        name="fireworks",
        dialect="openai",
        base_url="https://api.fireworks.ai/inference/v1",
        env="FIREWORKS_API_KEY",
        answer_fields=frozenset({"reasoning_content"}),
        gives_reason=True,
    ),
    # https://inference-docs.cerebras.ai/resources/openai; of earlier reasoning it takes `reasoning`
    Vendor(
        name="cerebras",
        dialect="openai",
        base_url="https://api.cerebras.ai/v1",
        env="CEREBRAS_API_KEY",
        max_tokens_field="max_completion_tokens",
        answer_fields=frozenset({"reasoning"}),
        gives_reason=True,
    ),
    # https://docs.ollama.com/api/openai-compatibility
    Vendor(name="ollama", dialect="openai", base_url="http://127.0.0.1:11434/v1"),
    # https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html
    Vendor(name="vllm", dialect="openai", base_url="http://127.0.0.1:8000/v1"),
    # https://github.com/ggml-org/llama.cpp/tree/master/tools/server
    Vendor(name="llama.cpp", dialect="openai", base_url="http://127.0.0.1:8080/v1"),
    # https://docs.digitalocean.com/products/inference/how-to/use-serverless-inference/
    Vendor(
        name="digitalocean",
        dialect="openai",
        base_url="https://inference.do-ai.run/v1",
        env="GRADIENT_MODEL_ACCESS_KEY",
    ),
    # https://platform.kimi.ai/docs/api/overview
    Vendor(
        name="moonshot",
        dialect="openai",
        base_url="https://api.moonshot.ai/v1",
        env="MOONSHOT_API_KEY",
        developer=False,
        calls_need_thoughts=True,
        gives_reason=True,
    ),
    # https://www.alibabacloud.com/help/en/model-studio/compatibility-of-openai-with-dashscope
    Vendor(
        name="alibaba",
        dialect="openai",
        base_url="https://dashscope-intl.aliyuncs.com/compatible-mode/v1",
        env="DASHSCOPE_API_KEY",
        developer=False,
        gives_reason=True,
    ),
    # https://www.assemblyai.com/docs/llm-gateway/chat-completions
    Vendor(
        name="assemblyai",
        dialect="openai",
        base_url="https://llm-gateway.assemblyai.com/v1",
        env="ASSEMBLYAI_API_KEY",
        stream_usage=False,
    ),
    # https://docs.anthropic.com/en/api/overview
    Vendor(
        name="anthropic",
        dialect="anthropic",
        base_url="https://api.anthropic.com/v1",
        env="ANTHROPIC_API_KEY",
        auth="x-api-key",
        request_id_header="request-id",
    ),
    # https://docs.aws.amazon.com/general/latest/gr/bedrock.html; the variable holds an API key of
    # Bedrock's own, https://docs.aws.amazon.com/bedrock/latest/userguide/api-keys-use.html
    Vendor(
        name="bedrock",
        dialect="bedrock",
        base_url="https://bedrock-runtime.{region}.amazonaws.com",
        default_region="us-east-1",
        env="AWS_BEARER_TOKEN_BEDROCK",
        auth="sigv4",
        request_id_header="x-amzn-requestid",
    ),
    # https://docs.cohere.com/reference/chat
    Vendor(
        name="cohere",
        dialect="cohere",
        base_url="https://api.cohere.com/v2",
        env="CO_API_KEY",
        request_id_header="x-debug-trace-id",
    ),
    # https://learn.microsoft.com/azure/ai-foundry/openai/reference; each resource has its own host
    Vendor(
        name="azure",
        dialect="azure",
        env="AZURE_OPENAI_API_KEY",
        auth="api-key",
        max_tokens_field="max_completion_tokens",
        stops_at_calls=True,
        gives_reason=True,
    ),
    # Models of other makers: https://learn.microsoft.com/rest/api/aifoundry/modelinference/
    Vendor(
        name="azure-foundry",
        dialect="azure",
        env="AZURE_INFERENCE_CREDENTIAL",
        auth="api-key",
    ),
)

VENDORS: Mapping[str, Vendor] = MappingProxyType({row.name: row for row in _ROWS})

_openai = OpenAI()
_gemini = Gemini()
_responses = Responses()
DIALECTS: Mapping[str, Dialect] = MappingProxyType(
    {
        "openai": _openai,
        "gemini": _gemini,
        "vertex": Vertex(_gemini, VertexClaude()),
        "local": _openai,
        "anthropic": Anthropic(),
        "azure": Azure(),
        "bedrock": Bedrock(),
        "cohere": Cohere(),
        "responses": _responses,
    }
)


def dialect(name: str) -> Dialect:
    """The dialect of this name. Raises KeyError where there is none."""
    return DIALECTS[name]


def dialect_of(request: ChatRequest, target: Target) -> Dialect:
    """The dialect in which this request is put to the target."""
    deployment = target.deployment
    vendor = deployment.vendor
    if vendor.responses:
        names = (deployment.upstream_model, target.model.name)  # Azure's own may be any
        for name in names if vendor.dialect == "azure" else names[:1]:
            if needs_responses(request.body, name):
                return _responses
    return DIALECTS[vendor.dialect]
