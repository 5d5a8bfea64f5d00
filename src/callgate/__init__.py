"""Callgate: a self-hosted LLM gateway whose every call can be explained from its request_id."""
