"""Streams of which most events are taken by a run: the same chunks, the same bytes as if all were
read in full.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callgate.core.chat import Chunk
from callgate.core.present import chunk_event, chunk_head
from callgate.core.template import Run, Template, template_of
from callgate.errors import GatewayError
from callgate.providers.anthropic.stream import StreamDecoder as AnthropicDecoder
from callgate.providers.openai.stream import StreamDecoder as OpenAIDecoder
from callgate.providers.streaming import EventStream

from .samples import Record, target_of

repeatable = settings(derandomize=True, deadline=None, max_examples=100)


class Told(NamedTuple):
    """What came of a stream; `taken` counts the events that a run took."""

    written: list[bytes]
    said: str
    thought: str
    end: str
    taken: int


class Writer:
    """Writes chunks, and what runs have taken, as events; see `web.chat`."""

    def __init__(self) -> None:
        self.head = b""
        self.run: Run | None = None
        self.template: Template | None = None

    def all(self, chunks: Sequence[Chunk]) -> list[bytes]:
        for chunk in chunks:
            self.head = self.head or chunk_head(
                request_id="r", model="m", id=chunk.id or "c", created=chunk.created
            )
        return [chunk_event(self.head, chunk) for chunk in chunks]

    def again(self, run: Run) -> list[bytes]:
        if run is not self.run:
            self.run, self.template = run, template_of(chunk_event(self.head, run.chunk))
        full = self.all(run.chunks())
        assert self.template is None or self.template.fill(run) == b"".join(full)
        return full


def told(decoder: EventStream, parts: Sequence[bytes], *, runs: bool) -> Told:
    written: list[bytes] = []
    said: list[str] = []
    thought: list[str] = []
    writer, taken, end = Writer(), 0, "whole"
    try:
        for part in [*parts, b""]:
            run = decoder.run
            if runs and part and run is not None and run.takes(part):
                again = writer.again(run)
                taken += len(again)
                written += again
                (said if run.spoken else thought).append(run.text)
                continue
            chunks = decoder.feed(part) if part else decoder.close()
            written += writer.all(chunks)
            for chunk in chunks:
                for choice in chunk.choices:
                    delta = choice["delta"]
                    said.append(delta.get("content") or "")
                    thought.append(delta.get("reasoning_content") or delta.get("reasoning") or "")
    except GatewayError as error:
        end = f"{error.kind.type}: {error.message}"
    end += f" {decoder.done} {decoder.finished} {decoder.skipped}"
    return Told(written, "".join(said), "".join(thought), end, taken)


def both(make: Callable[[], EventStream], parts: Sequence[bytes]) -> int:
    """How many events were taken by a run, to the same effect as without."""
    plain, quick = told(make(), parts, runs=False), told(make(), parts, runs=True)
    assert quick[:4] == plain[:4]
    return quick.taken


# --- recorded -----------------------------------------------------------------------------------


def events_of(record: Record) -> list[bytes]:
    body = record["response"]["body"].encode()
    return [event + b"\n\n" for event in body.split(b"\n\n")]


@pytest.mark.parametrize(
    ("endpoint", "decoder", "least"),
    [("chat.completions", OpenAIDecoder, 2200), ("messages", AnthropicDecoder, 600)],
)
def test_recorded_streams_come_out_the_same(
    endpoint: str,
    decoder: type[EventStream],
    least: int,
    recordings: Callable[[str], list[Record]],
) -> None:
    taken = 0
    for record in recordings(endpoint):
        if record["stream"] and isinstance(record["response"].get("body"), str):
            vendor = record["provider"]
            target = target_of(vendor if vendor != "google" else "openai-compatible")
            taken += both(lambda target=target: decoder(target), events_of(record))  # type: ignore[misc]
    assert taken > least


# --- made up ------------------------------------------------------------------------------------

INSIDES = st.lists(
    st.sampled_from(
        [
            b"a", b" two", b"\\n", b'\\"', b"\\\\", b"\\/", b"\\u00e9", b"\\ud83d\\ude00",
            b"\\ud83d", "é😀".encode(), b"\x7f", b"\x01", b"\xff", b'"', b'"}', b'"},"index":0}]}',
            b'","content":"', b"\\", b"\n", b"\n\n", b"\r", b"<callgate:text>", b"}", b"  ",
        ]
    ),
    max_size=4,
).map(b"".join)  # fmt: skip
OPENAI = [
    b'{"id":"c","created":5,"choices":[{"index":0,"delta":{"content":"%s"},"logprobs":null}]}',
    b'{"id": "c", "choices": [{"index": 0, "delta": {"content": "%s"}}], "usage": null}',
    b'{"choices":[{"delta":{"content":"%s"},"index":0}],"id":"c","obfuscation":"%p","extra":null}',
    b'{"id":"c","choices":[{"index":0,"delta":{"content":"%s"}}],"p":"%p","p":"last"}',
    b'{"p":"%p","id":"c","choices":[{"index":0,"delta":{"content":"%s"}}]}',
    b'{"id":"c","choices":[{"index":0,"delta":{"content":"%s"},"p":"%p"}]}',
    b'{"id":"c","choices":[{"index":0,"delta":{"content":"%s","content":"twice"}}]}',
    b'{"id":"c","choices":[{"index":0,"delta":{"role":"assistant","content":"%s"}}],"content":"x"}',
    b'{"content":"x","id":"c","choices":[{"index":0,"delta":{"content":"%s"}}]}',
    b'{"id":"c","choices":[{"index":0,"delta":{"content":null,"reasoning_content":"%s"}}]}',
    b'{"id":"c","choices":[{"index":0,"delta":{"content":"","reasoning":"%s","x":1}}]}',
    b'{"id":"c","choices":[{"index":0,"delta":{"content":"%s","tool_calls":null}}]}',
    b'{"id":"c","choices":[{"index":1,"delta":{"content":"%s"}}]}',
    b'{"id":"c","choices":[{"delta":{"content":"%s"}}]}',
    b'{"id":"c","choices":[{"index":0,"delta":{"content":"%s"}},{"index":1,"delta":{}}]}',
    b'{"id":"c","choices":[{"index":0,"delta":{"content":"%s"}}],"usage":{"prompt_tokens":1}}',
    b'{"id":"c","choices":[{"index":0,"delta":{"content":"%s"},"finish_reason":"length"}]}',
    b'{"choices":[{"index":0,"delta":{"content":"%s","tool_calls":[{"function":{"name":"f"}}]}}]}',
    b'{"id":"c","model":"%s","choices":[{"index":0,"delta":{"content":"x"}}],"request_id":"%p"}',
    b'{"error":{"message":"%s"}}',
    b'{"choices":[{"index":0,"delta":{"content":[{"type":"text","text":"%s"}]}}]}',
    b'{"choices":[],"prompt_filter_results":[{"content":"%s"}]}',
    b"[DONE]",
]
OPENING = [
    b'event: message_start\ndata: {"type":"message_start","message":{"id":"msg","model":"m"}}\n\n',
    b'data: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}\n\n',
]
ANTHROPIC = [
    b'{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"%s"}}',
    b'{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"%s"}   }',
    b'{"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":"%s"}}',
    b'{"type":"content_block_delta","index":0,"delta":{"text":"%s","type":"text_delta"}}',
    b'{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"%s"}}',
    b'{"type":"content_block_delta","index":0,"delta":{"type":"citations_delta","citation":"%s"}}',
    b'{"type":"content_block_start","index":1,"content_block":{"type":"text","text":"%s"}}',
    b'{"type":"content_block_stop","index":0}',
    b'{"type":"content_block_stop","index":1}',
    b'{"type":"ping"}',
    b'{"type":"error","error":{"type":"overloaded_error","message":"%s"}}',
    b'{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":5}}',
    b'{"type":"message_stop"}',
]
LINES = [b"data: %d\n\n", b"event: x\ndata: %d\n\n", b"data:%d\n\n", b": note\ndata: %d\r\n\r\n"]


def streams(forms: list[bytes]) -> st.SearchStrategy[list[bytes]]:
    """Events of which most are alike, in parts of which most are whole."""

    def filled(values: tuple[bytes, bytes, bytes, bytes]) -> bytes:
        form, inside, padding, line = values
        data = form.replace(b"%s", inside).replace(b"%p", padding)
        return line.replace(b"%d", data)

    common = st.tuples(
        st.sampled_from(forms[:3]), INSIDES, st.sampled_from([b"", b"x", b"yz"]), st.just(LINES[0])
    )
    odd = st.tuples(st.sampled_from(forms), INSIDES, INSIDES, st.sampled_from(LINES))
    alike = st.tuples(common, st.lists(INSIDES, max_size=5)).map(
        lambda made: [filled((made[0][0], one, *made[0][2:])) for one in [made[0][1], *made[1]]]
    )
    events = st.lists(alike | odd.map(lambda one: [filled(one)]), max_size=5)
    cuts = st.lists(st.integers(0, 200), max_size=3)
    return st.tuples(events, cuts).map(lambda made: cut([*chain(*made[0])], made[1]))


def cut(events: list[bytes], places: list[int]) -> list[bytes]:
    """Some events joined to the next one or in two parts."""
    parts = list(events)
    for place in places:
        at = place % (len(parts) or 1)
        if at < len(parts) and place % 2 and len(parts[at]) > place:
            parts[at : at + 1] = [parts[at][:place], parts[at][place:]]
        elif at + 1 < len(parts):
            parts[at : at + 2] = [parts[at] + parts[at + 1]]
    return parts


@repeatable
@given(streams(OPENAI))
def test_any_stream_of_openais_dialect_comes_out_the_same(parts: list[bytes]) -> None:
    both(lambda: OpenAIDecoder(target_of()), parts)


@repeatable
@given(streams(ANTHROPIC))
def test_any_stream_of_anthropics_dialect_comes_out_the_same(parts: list[bytes]) -> None:
    both(lambda: AnthropicDecoder(target_of("anthropic")), [*OPENING, *parts])


def piece(text: str, **fields: Any) -> bytes:
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": None}
    return b"data: %b\n\n" % json.dumps({"id": "c", "choices": [choice], **fields}).encode()


@pytest.mark.parametrize("form", OPENAI[:3])
def test_all_but_the_first_are_taken(form: bytes) -> None:
    parts = [b"data: %b\n\n" % form.replace(b"%s", b"a%d" % n) for n in range(9)]
    assert both(lambda: OpenAIDecoder(target_of()), parts) == 8


def test_run_outlasts_what_is_unlike_it() -> None:
    parts = [piece("a"), piece("b"), b": note\n\n", piece("c"), piece("d", x=1), piece("e", x=1)]
    assert both(lambda: OpenAIDecoder(target_of()), parts) == 3
    halves = [piece("a"), piece("b"), piece("c")[:30], piece("c")[30:], piece("d")]
    assert both(lambda: OpenAIDecoder(target_of()), halves) == 2


def test_what_comes_together_is_taken_together() -> None:
    parts = [piece("a") + piece("b"), piece("c") + piece("d") + piece("e"), piece("f")]
    assert both(lambda: OpenAIDecoder(target_of()), parts) == 4


def test_what_never_repeats_is_looked_at_ever_more_seldom() -> None:
    decoder = OpenAIDecoder(target_of())
    runs = set()
    for n in range(100):
        assert decoder.run is None or not decoder.run.takes(piece("a", n=n))
        decoder.feed(piece("a", n=n))
        runs.add(decoder.run)
    assert len(runs) < 25


def test_places_in_the_text_count_what_a_run_has_taken() -> None:
    delta = '{"type":"content_block_delta","index":0,"delta":%s}'
    said = [delta % json.dumps({"type": "text_delta", "text": "word "}) for _ in range(4)]
    citation = {"type": "web_search_result_location", "url": "https://example.com", "title": "t"}
    cited = delta % json.dumps({"type": "citations_delta", "citation": citation})
    events = [*said, cited, '{"type":"content_block_stop","index":0}']
    parts = [*OPENING, *(b"data: %b\n\n" % event.encode() for event in events)]
    assert both(lambda: AnthropicDecoder(target_of("anthropic")), parts) == 3
    written = told(AnthropicDecoder(target_of("anthropic")), parts, runs=True).written
    (note,) = json.loads(written[-1][6:])["choices"][0]["delta"]["annotations"]
    assert note["url_citation"]["end_index"] == 20
