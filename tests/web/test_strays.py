"""What is said to who asks for a path that is not served."""

from __future__ import annotations

import pytest

from callgate.web.strays import unknown_path

CHAT = "/v1/chat/completions"
SERVED = (CHAT, "/v1/models", "/v1/models/{model:path}", "/health", "/ready", "/openapi.json")


@pytest.mark.parametrize(
    ("path", "meant", "fix"),
    [
        ("/chat/completions", CHAT, "followed by `/v1`, once"),
        ("/v1/v1/chat/completions", CHAT, "Leave `/v1` out"),
        ("/v1/v1/models", "/v1/models", "Leave `/v1` out"),
        ("/v1/chat/completions/chat/completions", CHAT, "adds `/chat/completions` itself"),
        ("/v1/chat/completions/", CHAT, "Leave out the slash at the end"),
        ("/v1/models/", "/v1/models", "Leave out the slash at the end"),
        ("/v1//chat/completions", CHAT, "Check the slashes"),
        ("/V1/Chat/Completions", CHAT, "base_url"),
        ("/v1/chat/completion", CHAT, "base_url"),
        ("/openai/deployments/gpt-4.1/chat/completions", CHAT, "in place of the one for Azure"),
        ("/v1/messages", CHAT, "Anthropic's too"),
        ("/v1/responses", CHAT, "Use Chat Completions"),
        ("/v1/completions", CHAT, "Send the same `prompt`"),
        ("/v1beta/models/gemini-2.5-pro:generateContent", CHAT, "Google's too"),
        ("/model/anthropic.claude/converse-stream", CHAT, "on Bedrock too"),
        ("/api/chat", CHAT, "a client for OpenAI"),
        ("/v1/embeddings", "only chat completions", "the provider of that API"),
        ("/v1/threads/thread_1/messages", "only chat completions", "the provider of that API"),
        ("/v1", "No such path: '/v1'", "`GET /v1/models` lists the models"),
        ("/", "No such path: '/'", "`GET /v1/models` lists the models"),
        ("/models", "/v1/models", "/openapi.json"),
        ("/healthz", "/health", "/openapi.json"),
        ("/docs", "/openapi.json", "OpenAPI"),
        ("/errors/rate_limit", "/errors/rate_limited", "`/errors` lists"),
    ],
)
def test_what_was_meant_is_said_and_what_to_change(path: str, meant: str, fix: str) -> None:
    error = unknown_path(path, SERVED)
    assert error.kind.type == "path_not_found"
    assert meant in error.message
    assert fix in error.fix


def test_a_path_like_no_other_is_not_guessed_at() -> None:
    error = unknown_path("/nowhere/at/all", SERVED)
    assert error.message == "No such path: '/nowhere/at/all'"


def test_a_key_in_a_path_is_not_repeated() -> None:
    key = "cg_us_" + "A" * 33
    assert key not in unknown_path(f"/v1/{key}/chat/completions", SERVED).message
