"""OpenAI's Chat Completions, as most servers speak it."""
