"""Parts of requests as no sane client sends them, for property tests of dialects."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=4,
)
WORDS = st.sampled_from(
    [
        "enabled", "disabled", "low", "none", "ephemeral", "1h", "auto", "wav", "thinking",
        "redacted_thinking", "reasoning.text", "data:image/png;base64,AAAA", "AAAA", "s3://abc/d",
        "data:application/pdf;base64,AAAA", "https://a.example/b.png", "x.pdf",
    ]
)  # fmt: skip


def some(*names: str) -> st.SearchStrategy[dict[str, Any]]:
    return st.dictionaries(st.sampled_from(names), WORDS | JSON, max_size=4)


EFFORTS = some("type", "effort", "max_tokens", "enabled", "budget_tokens", "token_budget")
DETAILS = some("type", "thinking", "text", "signature", "data", "format", "after_text")
MARKS = st.none() | some("type", "ttl")
TEXT = st.text(max_size=3)
PARTS = (
    st.fixed_dictionaries({"type": st.just("text"), "text": TEXT, "cache_control": MARKS})
    | st.fixed_dictionaries(
        {
            "type": st.just("image_url"),
            "image_url": st.fixed_dictionaries(
                {"url": WORDS | TEXT}, optional={"detail": WORDS | JSON}
            ),
        }
    )
    | st.fixed_dictionaries(
        {
            "type": st.just("input_audio"),
            "input_audio": st.fixed_dictionaries({"data": WORDS | TEXT, "format": WORDS | TEXT}),
        }
    )
    | st.fixed_dictionaries(
        {"type": st.just("file"), "file": some("file_data", "filename", "file_id")}
    )
)
FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "thinking": EFFORTS, "reasoning": EFFORTS, "metadata": some("a", "é"),
        "reasoning_effort": WORDS, "service_tier": WORDS, "user": TEXT, "top_p": st.floats(0, 1),
    },
)  # fmt: skip
