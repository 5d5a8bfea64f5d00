"""What the fields of a request mean, for the OpenAPI document."""

from __future__ import annotations

from collections.abc import Mapping

CHAT_BODY: Mapping[str, str] = {
    "model": "The model's id, as `GET /v1/models` lists it.",
    "messages": "The conversation so far, oldest first. Either this or `prompt` is needed.",
    "prompt": "A single user message as plain text.",
    "max_tokens": "The most tokens that the answer may have; 1000 where nothing is said.",
    "max_completion_tokens": "The same as `max_tokens`, under OpenAI's newer name.",
    "temperature": "How freely tokens are drawn: 0 is the likeliest, 2 the freest.",
    "top_p": "Draw from the likeliest tokens that together have this probability.",
    "top_k": "Draw from this many of the likeliest tokens.",
    "n": "How many answers to give.",
    "stop": "Texts at which the answer ends; they are not part of it.",
    "seed": "Asks for the same answer to the same request, as far as the provider can.",
    "frequency_penalty": "Makes tokens less likely the more often they have occurred.",
    "presence_penalty": "Makes tokens that have occurred less likely.",
    "logit_bias": "Changes of likelihood by token id, from -100 to 100.",
    "logprobs": "Give the log probabilities of the answer's tokens.",
    "top_logprobs": "How many alternatives to give at each position.",
    "tools": "Tools that the model may call.",
    "tool_choice": "`none`, `auto`, `required`, or the tool that must be called.",
    "parallel_tool_calls": "Whether several tools may be called in one turn.",
    "functions": "The older form of `tools`.",
    "function_call": "The older form of `tool_choice`.",
    "response_format": "Text, any JSON object, or JSON that follows a schema.",
    "stream": "Answer with server-sent events, piece by piece.",
    "stream_options": "With `include_usage`, the last event has the usage.",
    "reasoning_effort": "How much the model thinks before it answers.",
    "reasoning": "The provider's own settings of reasoning.",
    "thinking": "Anthropic's and others' own settings of reasoning.",
    "modalities": "What the answer may consist of, such as `text` and `audio`.",
    "audio": "Voice and format of an answer in audio.",
    "prediction": "Text that the answer is expected to repeat in large parts.",
    "verbosity": "How long the answer should be: `low`, `medium` or `high`.",
    "web_search_options": "The provider's own web search.",
    "safety_settings": "Google's thresholds of its content filters.",
    "service_tier": "Which of the provider's grades of service to use.",
    "store": "Whether the provider may keep the answer.",
    "metadata": "Labels that the provider keeps with a stored answer.",
    "user": "A stable name of the end user, for the provider's abuse detection.",
    "safety_identifier": "The same as `user`, under OpenAI's newer name.",
    "prompt_cache_key": "Requests with the same key share the provider's prompt cache.",
    "prompt_cache_retention": "How long the provider keeps the cached prompt.",
    "fallbacks": "Other models to try, in order, where this one cannot answer.",
    "fallback_config": "Whether and how far `fallbacks` are used.",
    "post_processing_steps": "Steps over the whole answer, in this order; each has a `type`.",
    "model_region": "Where the request may be processed: this region, or `global` for anywhere.",
}

NOTES: Mapping[str, Mapping[str, str]] = {"ChatBody": CHAT_BODY}
