"""Heads as a caller sends them: what stands in them twice; what is said of bytes that are none."""

from __future__ import annotations

import pytest

from callgate.cli.build import compiled
from callgate.errors import GatewayError
from callgate.web.malformed import host_fault
from callgate.web.reader import RequestReader

pytestmark = pytest.mark.skipif(compiled(), reason="a compiled reader has no subclass")

BODY = b'{"content": "\\nAuthorization: a"}'


class Reader(RequestReader):
    """Notes of each head whether it bears two keys and two hosts, and what was refused."""

    def __init__(self, *, joins: bool = False) -> None:
        super().__init__(1000, joins=joins)
        self.twice: list[bool] = []
        self.hosts: list[bool] = []
        self.bodies: list[bytes] = []
        self.error: GatewayError | None = None

    def head_begun(self) -> None:
        pass

    def head_read(self) -> GatewayError | None:
        self.twice.append(b"authorization" in self.repeated)
        self.hosts.append(b"host" in self.repeated)
        return None

    def body_read(self, body: bytes) -> None:
        self.bodies.append(body)

    def request_read(self) -> None:
        pass

    def refused(self, error: GatewayError) -> None:
        self.error = error


def head(*lines: bytes) -> bytes:
    length = b"Content-Length: %d" % len(BODY)
    return b"\r\n".join([b"POST / HTTP/1.1", *lines, length, b"", BODY])


ONE = head(b"Host: a", b"Authorization: a")
NONE = head(b"Host: a", b"Host: b")


@pytest.mark.parametrize(
    ("sent", "twice"),
    [
        (ONE, [False]),
        (NONE, [False]),
        (head(b"AUTHORIZATION: a", b"X-Authorization: a"), [False]),
        (head(b"authorization: a", b"Host: a", b"host: b"), [False]),
        (head(b"Authorization: a", b"Authorization: a"), [True]),
        (head(b"authorization: a", b"Host: a", b"authorization: b"), [True]),
        (head(b"Authorization: a", b"authorization: b"), [True]),
        (head(b"AUTHORIZATION: a", b"AUTHORIZATION: b"), [True]),
        (ONE + ONE + NONE + ONE, [False, False, False, False]),
        (ONE + head(b"Authorization: a", b"Authorization: b"), [False, True]),
        (NONE + head(b"Authorization: a", b"Authorization: b"), [False, True]),
        (b"\r\n\r\n" + head(b"Authorization: a", b"Authorization: b"), [True]),
        (ONE + b"\r\n\r\n" + head(b"Authorization: a", b"Authorization: b"), [False, True]),
        (b"\r\n\r\n" + ONE, [False]),
    ],
    ids=range(14),
)
def test_two_keys_are_seen_however_a_head_is_spelt_and_split(
    sent: bytes, twice: list[bool]
) -> None:
    for cut in range(len(sent)):
        reader = Reader()
        reader.feed(sent[:cut])
        reader.feed(sent[cut:])
        assert reader.error is None
        assert reader.twice == twice, sent[:cut]
    slow = Reader()
    for byte in sent:
        slow.feed(bytes([byte]))
    assert slow.twice == twice


@pytest.mark.parametrize("before", [b"", b"\r\n", ONE, ONE + b"\r\n"])
def test_two_hosts_are_seen(before: bytes) -> None:
    for lines, twice in (
        ([b"Host: a"], False),
        ([b"Host: a", b"X-Host: b", b"X: y\\nHost: c", b"X: z"], False),
        ([b"Host: a", b"Host: a"], True),
        ([b"Host: a", b"Accept: c", b"HOST: b"], True),
    ):
        reader = Reader()
        reader.feed(before + head(*lines))
        assert reader.hosts[-1] == twice, lines


@pytest.mark.parametrize(("joins", "told"), [(False, b"3"), (True, b"1,2,3")])
def test_of_a_header_on_several_lines_the_last_counts_or_all_are_joined(
    joins: bool, told: bytes
) -> None:
    reader = Reader(joins=joins)
    reader.feed(head(b"X-Forwarded-For: 1", b"x-forwarded-for: 2", b"X-Forwarded-For: 3", b"A: b"))
    assert reader.headers == {b"x-forwarded-for": told, b"a": b"b", b"content-length": b"33"}
    assert reader.repeated == {b"x-forwarded-for"}


def test_a_trailer_is_no_header() -> None:
    reader = Reader()
    reader.feed(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
    reader.feed(b"1\r\n{\r\n0\r\nHost: b\r\nAuthorization: c\r\n\r\n")
    assert reader.headers == {b"host": b"a", b"transfer-encoding": b"chunked"}
    assert not reader.repeated
    reader.feed(NONE)
    assert reader.repeated == {b"host"}


OFFER = head(b"Host: a", b"Connection: Upgrade", b"Upgrade: h2c")
BREAKS = b"\r\nUpgrade: h2c\r\n\r\n"


@pytest.mark.parametrize(
    "sent",
    [
        OFFER,
        OFFER + OFFER + ONE,
        ONE + OFFER,
        ONE + b"\r\n" + OFFER.replace(b"Upgrade:", b"upgrade:"),
        OFFER + head(b"Host: a").replace(BODY, BREAKS).replace(b"33", b"%d" % len(BREAKS)) + OFFER,
    ],
    ids=range(5),
)
def test_an_offer_to_upgrade_costs_no_request_its_body(sent: bytes) -> None:
    whole = Reader()
    whole.feed(sent)
    assert whole.error is None
    assert len(whole.twice) == sent.count(b"POST")
    told = BODY + BREAKS + BODY if BREAKS in sent else sent.count(BODY) * BODY
    assert b"".join(whole.bodies) == told
    for cut in range(len(sent)):
        reader = Reader()
        reader.feed(sent[:cut])
        reader.feed(sent[cut:])
        assert b"".join(reader.bodies) == told, sent[:cut]


LONG = b'{"content": "' + b"An Upgrade: at last. " * 100 + b'"}'


@pytest.mark.parametrize("body", [LONG, LONG.replace(b" ", b"\n"), LONG.replace(b" ", b"\r\n")])
@pytest.mark.parametrize("first", [OFFER, ONE])
def test_an_offer_is_found_before_and_behind_a_long_body(first: bytes, body: bytes) -> None:
    sent = first.replace(BODY, body).replace(b"33", b"%d" % len(body))
    reader = Reader()
    reader.feed(sent + OFFER + OFFER)
    assert reader.error is None
    assert b"".join(reader.bodies) == body + BODY + BODY


@pytest.mark.parametrize(
    ("host", "sound"),
    [
        (b"a", True),
        (b"", True),
        (b"a_b.example.:8080", True),
        (b"[2001:db8::1]:80", True),
        (b"caf%C3%A9", True),
        (None, False),
        (b"a b", False),
        (b"a/b", False),
        (b"u@a", False),
        (b"a, b", False),
        (b"a:b:c", False),
        (b"[a]b", False),
        (b"caf\xc3\xa9", False),
    ],
)
def test_a_host_is_a_name_or_an_address(host: bytes | None, sound: bool) -> None:
    assert (host_fault(host, False, "1.1") is None) == sound
    assert (host_fault(host, False, "1.0") is None) == (sound or host is None)


@pytest.mark.parametrize(
    ("sent", "said", "fix"),
    [
        (b"\x16\x03\x01\x02\x00\x01", "speaks TLS", "`http://`"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "speaks HTTP/2", "HTTP/1.1"),
        (b"post / HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP has no method 'post'", "Use POST"),
        (b"NONSENSE\r\n\r\n", "Invalid HTTP request received", "well-formed"),
        (head(b"X : a"), "Invalid HTTP request received: Invalid header token", "well-formed"),
        (head(b"Content-Length: 1"), "Duplicate Content-Length", "well-formed"),
    ],
    ids=range(6),
)
def test_what_is_wrong_with_bytes_is_said(sent: bytes, said: str, fix: str) -> None:
    reader = Reader()
    reader.feed(sent)
    assert reader.error is not None
    assert reader.error.kind.type == "bad_http"
    assert said in reader.error.message
    assert fix in reader.error.fix
