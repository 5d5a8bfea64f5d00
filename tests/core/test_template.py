"""Events that are alike but for their text: what a run takes, and what is cast of it."""

from __future__ import annotations

import re

import msgspec
import pytest

from callgate.core.chat import Chunk
from callgate.core.template import PADDING, TEXT, Run, marked, run_of, template_of

TEXTS = re.compile(rb'"content" ?: ?"((?:[^"\\]|\\.)+)"')
PADDINGS = re.compile(rb'"p": ?"([^"]*)"')
EVENT = b'data: {"d":{"content":"hi"},"n":null}\n\n'
PADDED = b'data: {"d":{"content":"hi"},"p":"xyz"}\n\n'
SPACED = b'data: {"d":{"content":"hi"}   }\n\n'


def begun(event: bytes) -> Run:
    shown = marked(event, TEXTS, PADDINGS)
    choice = {"index": 0, "delta": {"content": TEXT}, "finish_reason": None}
    extra = {"p": PADDING, "q": 1} if event is PADDED else {}
    run = run_of(shown, Chunk(choices=[choice], extra=extra))
    assert run is not None
    return run


@pytest.mark.parametrize("inside", ["x", "two words", "é😀", r"a\nb", r"\"", r"\\", "\x7f", "}"])
@pytest.mark.parametrize("event", [EVENT, PADDED, SPACED])
def test_run_takes_an_event_with_another_text(event: bytes, inside: str) -> None:
    run = begun(event)
    given = inside.encode()
    assert run.takes(event.replace(b"hi", given))
    assert run.text == msgspec.json.decode(b'"%b"' % given)
    assert (run.quoted, run.taken) == (msgspec.json.encode(run.text), len(run.text))


@pytest.mark.parametrize(
    "inside",
    [
        b"", b'"', b"\\", b"\\x", b'"}', b"\n", b"\0", b"\x1f", b"\xff", b"\xed\xa0\x80",
        b"\\ud83d", b"\\u12", b'a","content":"b', b"x" * 70_000,
    ],
)  # fmt: skip
@pytest.mark.parametrize("event", [EVENT, PADDED, SPACED])
def test_what_is_no_plain_text_is_not_taken(event: bytes, inside: bytes) -> None:
    run = begun(event)
    assert not run.takes(event.replace(b"hi", inside))
    assert (run.text, run.taken) == ("", 0)


@pytest.mark.parametrize("event", [EVENT, PADDED, SPACED])
def test_nothing_but_one_whole_event_is_taken(event: bytes) -> None:
    run = begun(event)
    assert not any(run.takes(event[:end]) for end in range(len(event)))
    assert not any(run.takes(event[start:]) for start in range(1, len(event)))
    assert not any(run.takes(event + event[:end]) for end in range(1, len(event)))
    assert not run.takes(event + b"data: [DONE]\n\n")
    assert not run.takes(b"\n\n" + event)
    assert not run.takes(event + b"\n\n")
    assert run.taken == 0
    assert not run.takes(event.replace(b"data", b"date"))
    assert run.takes(event)


@pytest.mark.parametrize("event", [EVENT, PADDED, SPACED])
def test_events_that_come_together_are_taken_together(event: bytes) -> None:
    run = begun(event)
    shown = [event.replace(b"hi", text).replace(b"xyz", text) for text in (b"a", b"bc", b"def")]
    assert run.takes(b"".join(shown))
    assert (run.text, run.taken) == ("abcdef", 6)
    template = template_of(b'<"%b"|"%b">' % (TEXT.encode(), PADDING.encode()))
    plain = template_of(b'<"%b">' % TEXT.encode())
    assert template is not None
    assert plain is not None
    assert plain.fill(run) == b'<"a"><"bc"><"def">'
    if event is PADDED:
        assert template.fill(run) == b'<"a"|"a"><"bc"|"bc"><"def"|"def">'
    assert [one.choices[0]["delta"]["content"] for one in run.chunks()] == ["a", "bc", "def"]
    assert run.takes(shown[1])
    assert (run.text, run.taken, plain.fill(run)) == ("bc", 8, b'<"bc">')


def test_padding_is_taken_as_it_is_and_none_that_has_escapes() -> None:
    run = begun(PADDED)
    assert run.takes(PADDED.replace(b"xyz", b""))
    assert run.padding == b'""'
    for odd in (b"\\n", b"\xff", b'"', b"\0", b"\\"):
        assert not run.takes(PADDED.replace(b"xyz", odd))
    assert run.takes(PADDED.replace(b"hi", b"you").replace(b"xyz", b"more"))
    assert (run.text, run.padding) == ("you", b'"more"')


def test_spaces_at_the_end_are_of_any_number() -> None:
    run = begun(SPACED)
    for end in (b"}}\n\n", b"} }\n\n", b"}" + b" " * 30 + b"}\n\n"):
        assert run.takes(b'data: {"d":{"content":"hi"' + end)
    for end in (b"}\n}\n\n", b"}}}\n\n", b"}}\n \n", b'}"}\n\n'):
        assert not run.takes(b'data: {"d":{"content":"hi"' + end)


def test_cast_has_the_text_and_the_padding_of_what_was_taken_last() -> None:
    run = begun(PADDED)
    template = template_of(b'<"%b"|"%b">' % (TEXT.encode(), PADDING.encode()))
    plain = template_of(b'<"%b">' % TEXT.encode())
    assert template is not None
    assert plain is not None
    assert run.takes(PADDED.replace(b"hi", rb"\u00e9\/"))
    assert template.fill(run) == '<"é/"|"xyz">'.encode()
    assert plain.fill(run) == '<"é/">'.encode()
    choice = {"index": 0, "delta": {"content": "é/"}, "finish_reason": None}
    assert run.chunks() == [Chunk(choices=[choice], extra={"p": "xyz", "q": 1})]
    assert run.chunk.choices[0]["delta"]["content"] == TEXT


@pytest.mark.parametrize(
    "data",
    [
        b"", b"no text", TEXT.encode(), b'"%b" "%b"' % (TEXT.encode(), TEXT.encode()),
        b'"%b" "%b"' % (PADDING.encode(), TEXT.encode()), b'"%b" <callgate:' % TEXT.encode(),
    ],
)  # fmt: skip
def test_marks_that_are_not_there_once_and_in_order_make_no_template(data: bytes) -> None:
    assert template_of(data) is None


def test_marks_that_hit_something_else_make_no_run() -> None:
    shown = marked(PADDED, TEXTS, PADDINGS)
    assert (
        run_of(shown, Chunk(choices=[{"delta": {"content": "hi"}}], extra={"p": PADDING})) is None
    )
    assert run_of(shown, Chunk(choices=[{"delta": {"content": TEXT}}], extra={"p": "xyz"})) is None
    assert marked(b'{"content": ""}', TEXTS, None) == b""


def test_text_without_escapes_is_encoded_as_it_came() -> None:
    own = {34, 92, *range(0xD800, 0xE000)}  # quote, backslash, halves of pairs
    every = "".join(chr(point) for point in range(32, 0x20000) if point not in own)
    assert msgspec.json.encode(every) == b'"%b"' % every.encode()
