"""HTTP/1.1 as strangers speak it: odd but sound requests are served, broken ones are answered."""

from __future__ import annotations

import json
import select
import socket
import time

import pytest

from gateway import Gateway, until
from provider import WORDS, Provider
from wire import (
    CHAT,
    HELLO,
    STREAM,
    Answer,
    answers,
    chunked,
    connected,
    drain,
    post,
    read_answer,
    talk,
)

TEXT = "".join(WORDS)
HEALTH = b"GET /health HTTP/1.1\r\nhost: gateway\r\n\r\n"
LAST_HEALTH = b"GET /health HTTP/1.1\r\nhost: gateway\r\nconnection: close\r\n\r\n"
SIZED = b"%x\r\n%b\r\n"


def only(found: list[Answer]) -> Answer:
    (answer,) = found
    return answer


def first(gateway: Gateway, *pieces: bytes) -> Answer:
    """The response, not waiting for the gateway to hang up."""
    with connected(gateway) as connection:
        for piece in pieces:
            connection.sendall(piece)
            time.sleep(0.01)
        return read_answer(connection)


def served(answer: Answer) -> bool:
    assert answer.status == 200, answer.body
    return bool(answer.json["choices"][0]["message"]["content"] == TEXT)


# --- sound, if seldom seen ----------------------------------------------------------------------


def test_a_connection_serves_one_request_after_another(gateway: Gateway) -> None:
    with connected(gateway) as connection:
        ids = set()
        for _ in range(5):
            connection.sendall(post(gateway, close=False))
            answer = read_answer(connection)
            assert served(answer)
            assert "connection" not in answer.headers
            ids.add(answer.headers["x-request-id"])
        connection.sendall(post(gateway, b"{", close=False))
        assert read_answer(connection).error == "invalid_json"
        connection.sendall(post(gateway))
        answer = only(list(answers(drain(connection))))
    assert served(answer)
    assert answer.headers["connection"] == "close"
    assert len(ids) == 5


def test_requests_sent_ahead_are_answered_in_their_order(gateway: Gateway) -> None:
    kinds = [
        post(gateway, close=False),
        HEALTH,
        post(gateway, b"[]", close=False),
        post(gateway, STREAM, close=False),
        b"GET /v1/models/test-ok HTTP/1.1\r\nhost: gateway\r\n\r\n",
        post(gateway),
    ]
    whole, health, broken, stream, model, last = talk(gateway, b"".join(kinds))
    assert served(whole)
    assert health.json == {"status": "ok"}
    assert broken.error == "invalid_json"
    assert stream.body.endswith(b"data: [DONE]\n\n")
    assert model.json["id"] == "test-ok"
    assert served(last)


def test_many_small_requests_sent_ahead(gateway: Gateway) -> None:
    found = talk(gateway, HEALTH * 90 + LAST_HEALTH)
    assert [answer.status for answer in found] == [200] * 91


def test_too_many_requests_sent_ahead_are_told_after_those_that_are_due(gateway: Gateway) -> None:
    *good, last = talk(gateway, HEALTH * 2000)
    assert len(good) >= 100
    assert {answer.status for answer in good} == {200}
    assert last.error == "bad_http"


def test_a_request_may_come_in_any_pieces(gateway: Gateway) -> None:
    request = post(gateway)
    with connected(gateway) as connection:
        for at in range(1, len(request), 7):  # every seventh place, over one connection
            data = request.replace(b"connection: close\r\n", b"")
            connection.sendall(data[:at])
            time.sleep(0.001)  # so that it is read by itself
            connection.sendall(data[at:])
            assert served(read_answer(connection))
    assert served(only(talk(gateway, *(bytes([byte]) for byte in request), pause=0.0002)))


def test_a_chunked_body_is_read_whole(gateway: Gateway) -> None:
    pieces = [SIZED % (1, bytes([byte])) for byte in HELLO]
    assert served(only(talk(gateway, chunked(gateway, *pieces, b"0\r\n\r\n"))))
    extended = b"%x;name=value\r\n%b\r\n0\r\nx-trailer: y\r\n\r\n" % (len(HELLO), HELLO)
    assert served(only(talk(gateway, chunked(gateway, extended))))


def test_a_trailer_cannot_pose_as_a_header(gateway: Gateway) -> None:
    request = chunked(gateway, SIZED % (len(HELLO), HELLO), b"0\r\n")
    key = b"authorization: %b\r\n" % gateway.key.encode()
    assert key in request
    answer = only(talk(gateway, request.replace(key, b"") + key + b"\r\n"))
    assert answer.error == "unauthorized"


def test_who_expects_100_continue_is_told_to_go_on_or_refused(gateway: Gateway) -> None:
    request = post(gateway, HELLO, b"expect: 100-continue")
    with connected(gateway) as connection:
        connection.sendall(request[: -len(HELLO)])
        assert connection.recv(4096) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(HELLO)
        assert served(only(list(answers(drain(connection)))))
    bad = request.replace(gateway.key.encode(), b"wrong")[: -len(HELLO)]
    assert first(gateway, bad).error == "unauthorized"  # before any body was sent


@pytest.mark.parametrize("method", [b"POST", b"GET"])
def test_an_offer_to_upgrade_is_ignored_and_the_body_kept(gateway: Gateway, method: bytes) -> None:
    """Java's HttpClient sends this with its first request to a host."""
    offer = (
        b"Connection: Upgrade, HTTP2-Settings",
        b"Upgrade: h2c",
        b"HTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA",
    )
    path = CHAT if method == b"POST" else b"/v1/models/test-ok"
    body = HELLO if method == b"POST" else b""
    request = post(gateway, body, *offer, close=False, path=path).replace(b"POST", method, 1)
    head = request.removesuffix(body)
    with connected(gateway) as connection:
        for pieces in ([request], [head, body]):  # in one packet, and as Java does it
            for piece in pieces:
                connection.sendall(piece)
                time.sleep(0.01)
            answer = read_answer(connection)
            assert answer.status == 200, answer.body
            assert answer.json.get("choices") or answer.json["id"] == "test-ok"
        connection.sendall(LAST_HEALTH)
        assert only(list(answers(drain(connection)))).json == {"status": "ok"}


def test_http_1_0_needs_no_host(gateway: Gateway) -> None:
    assert only(talk(gateway, b"GET /health HTTP/1.0\r\n\r\n")).status == 200


def test_http_1_0_gets_no_chunks(gateway: Gateway) -> None:
    for extra in ((), (b"connection: keep-alive",)):
        request = post(gateway, STREAM, *extra, version=b"1.0", close=False)
        answer = only(talk(gateway, request))
        assert "transfer-encoding" not in answer.headers
        assert answer.body.startswith(b"data: {")
        assert answer.body.endswith(b"data: [DONE]\n\n")
    assert served(only(talk(gateway, post(gateway, version=b"1.0", close=False))))


@pytest.mark.parametrize(
    ("path", "status"),
    [
        (b"/v1/models", 200),
        (b"/v1/models/test-ok", 200),
        (b"/health", 200),
        (b"/nowhere", 404),
        (CHAT, 405),
    ],
)
def test_head_has_the_headers_alone(gateway: Gateway, path: bytes, status: int) -> None:
    with connected(gateway) as connection:
        connection.sendall(b"HEAD %b HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n" % path)
        answer = only(list(answers(drain(connection), bodies=False)))
    assert answer.status == status
    assert answer.headers["x-request-id"]
    assert int(answer.headers["content-length"]) > 0


@pytest.mark.parametrize("method", [b"OPTIONS", b"PUT", b"DELETE", b"PATCH", b"TRACE", b"PROPFIND"])
@pytest.mark.parametrize("path", [CHAT, b"/v1/models", b"/health"])
def test_other_methods_are_refused_with_those_allowed(
    gateway: Gateway, method: bytes, path: bytes
) -> None:
    answer = only(talk(gateway, LAST_HEALTH.replace(b"GET /health", b"%b %b" % (method, path))))
    assert answer.error == "method_not_allowed"
    assert answer.headers["allow"]


@pytest.mark.parametrize(
    "path",
    [
        b"http://any.example" + CHAT,
        b"http://any.example:80" + CHAT + b"?a=b",
        b"/v1/chat/%63ompletions",
        CHAT + b"?" + b"a=b&" * 15_000,
        CHAT + b"?a=%zz&%ff=%00&=&&;",
    ],
    ids=range(5),
)
def test_targets_that_mean_the_chat_route(gateway: Gateway, path: bytes) -> None:
    assert served(only(talk(gateway, post(gateway, path=path))))


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        (b"/v1/%ff%fe%00%0d%0aX-Injected:%20yes", "path_not_found"),
        (b"/v1/models/%00%0d%0a", "model_not_found"),
        (b"/v1/models/" + b"%2e%2e%2f" * 100, "model_not_found"),
        (b"/v1/../v1/models", "path_not_found"),
        (b"//v1//models", "path_not_found"),
        (b"/v1/models/", "model_not_found"),
        (b"*", "path_not_found"),
        (b"/" + b"a" * 60_000, "path_not_found"),
    ],
    ids=range(8),
)
def test_targets_that_mean_nothing(gateway: Gateway, path: bytes, kind: str) -> None:
    answer = only(talk(gateway, LAST_HEALTH.replace(b"/health", path)))
    assert answer.status == 404
    assert answer.error in (kind, "path_not_found")
    assert "x-injected" not in answer.headers


# --- broken -------------------------------------------------------------------------------------


def test_of_two_keys_none_counts(gateway: Gateway) -> None:
    for second, before in (
        (gateway.key.encode(), b""),
        (b"Bearer sk-other", b""),
        (gateway.key.encode(), b"\r\n\r\n"),  # to be skipped (RFC 9112, 2.2)
    ):
        request = before + post(gateway, HELLO, b"authorization: " + second)
        answer = first(gateway, request)
        assert (answer.status, answer.error) == (401, "unauthorized")
        assert "sent more than once" in answer.json["error"]["metadata"]["fix"]
        record = gateway.record(answer.headers["x-request-id"])
        assert (record["status"], record.get("account")) == (401, None)


CODED = b"POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\n%b\r\n\r\n0\r\n\r\n"


@pytest.mark.parametrize(
    ("request_bytes", "kind"),
    [
        (b"CONNECT example.org:443 HTTP/1.1\r\nhost: example.org:443\r\n\r\n", "bad_http"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "bad_http"),
        (b"GET /health HTTP/3.7\r\n\r\n", "bad_http"),
        (b"GET /\xc3\xa9 HTTP/1.1\r\n\r\n", "bad_http"),
        (b"GET /health HTTP/1.1\nhost: x\n\n", "bad_http"),
        (b"GET /health HTTP/1.1\r\nx: a\r\n folded\r\n\r\n", "bad_http"),
        (b"GET /health HTTP/1.1\r\nhost : x\r\n\r\n", "bad_http"),
        (b"GET /health HTTP/1.1\r\n\r\n", "bad_http"),
        (b"GET /health HTTP/1.1\r\nhost: a\r\nhost: a\r\n\r\n", "bad_http"),
        (b"GET /health HTTP/1.1\r\nhost: a b\r\n\r\n", "bad_http"),
        (b"GET /health HTTP/1.1\r\nx: a\x00b\r\n\r\n", "bad_http"),
        (b"POST / HTTP/1.1\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{}a", "bad_http"),
        (b"POST / HTTP/1.1\r\ncontent-length: 99999999999999999999999\r\n\r\n", "bad_http"),
        (
            b"POST / HTTP/1.1\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
            "bad_http",
        ),
        (b"GET /?" + b"a=b&" * 20_000 + b" HTTP/1.1\r\n\r\n", "headers_too_large"),
        (CODED % b"Transfer-Encoding: gzip, chunked", "unsupported_transfer_coding"),
        (
            CODED % b"Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked",
            "unsupported_transfer_coding",
        ),
        (CODED % b"Transfer-Encoding: chunked, gzip", "bad_http"),
    ],
    ids=range(18),
)
def test_what_is_no_request_is_told_and_on_record(
    gateway: Gateway, request_bytes: bytes, kind: str
) -> None:
    answer = only(talk(gateway, request_bytes))
    assert answer.error == kind
    assert gateway.record(answer.headers["x-request-id"])["error"] == kind


@pytest.mark.parametrize(
    "rest",
    [b"ZZ\r\nabc\r\n", b"5\r\nabcdefgh\r\n", b"-1\r\n", b"ffffffffffffffffff\r\n", b"\x00\r\n"],
)
def test_a_body_that_breaks_off_into_nonsense_is_answered(gateway: Gateway, rest: bytes) -> None:
    for pieces in ([chunked(gateway, rest)], [chunked(gateway, b"2\r\n{}\r\n"), rest]):
        answer = first(gateway, *pieces)
        assert answer.error == "bad_http"
        record = gateway.record(answer.headers["x-request-id"])
        assert (record["error"], record["account"]) == ("bad_http", "default")


def test_a_coding_that_is_not_known(gateway: Gateway) -> None:
    request = chunked(gateway, b"abc").replace(b": chunked", b": gzip")
    assert first(gateway, request).error == "bad_http"
    answer = first(gateway, post(gateway, HELLO, b"content-encoding: gzip"))
    assert answer.error == "unsupported_media_type"
    assert served(only(talk(gateway, post(gateway, HELLO, b"content-encoding: identity"))))


def test_endless_trailers_are_bounded(gateway: Gateway) -> None:
    body = SIZED % (len(HELLO), HELLO) + b"0\r\nx: "
    with connected(gateway) as connection:
        connection.sendall(chunked(gateway, body))

        def refused() -> bool:
            connection.sendall(b"a" * 16_384)
            return bool(select.select([connection], [], [], 0.01)[0])

        until(refused)
        assert read_answer(connection).error == "headers_too_large"


def test_nonsense_after_requests_does_not_take_their_answers(gateway: Gateway) -> None:
    requests = post(gateway, close=False) * 3
    *good, last = talk(gateway, requests + b"NONSENSE\r\n\r\n")
    assert all(served(answer) for answer in good)
    assert len(good) == 3
    assert last.error == "bad_http"


def test_an_early_refusal_is_read_whole_however_much_was_to_come(gateway: Gateway) -> None:
    request = post(gateway, b"x" * 2_500_000).replace(gateway.key.encode(), b"wrong")
    with connected(gateway) as connection:
        connection.sendall(request)
        assert read_answer(connection).error == "unauthorized"


# --- leaving ------------------------------------------------------------------------------------


@pytest.mark.parametrize("stream", [False, True])
def test_who_stops_sending_and_listens_is_answered(
    gateway: Gateway, provider: Provider, *, stream: bool
) -> None:
    text = f"to stop sending {stream}"
    held = json.dumps({"model": "test-held", "prompt": text, "stream": stream}).encode()
    with connected(gateway) as connection:
        connection.sendall(post(gateway, held, close=False))
        connection.shutdown(socket.SHUT_WR)
        until(lambda: any(text in str(body) for _, body in provider.requests))
        assert connection.recv(4096) == b"HTTP/1.1 100 Continue\r\n\r\n"
        provider.go_on.set()
        answer = only(list(answers(drain(connection))))
    assert answer.body.endswith(b"data: [DONE]\n\n") if stream else served(answer)


def test_who_stops_sending_and_listens_no_more_has_left(
    gateway: Gateway, provider: Provider
) -> None:
    """A provider is not kept busy for nobody."""
    with connected(gateway) as connection:
        held = b'{"model": "test-held", "prompt": "to leave"}'
        connection.sendall(post(gateway, held, b"x-client-request-id: left-for-good"))
        until(lambda: any("to leave" in str(body) for _, body in provider.requests))
    until(lambda: "left-for-good" in gateway.run("logs", "--json", "--limit", "20").stdout)


def test_who_stops_sending_amid_a_request_has_left(gateway: Gateway) -> None:
    with connected(gateway) as connection:
        connection.sendall(post(gateway)[:-1])
        connection.shutdown(socket.SHUT_WR)
        assert drain(connection) == b""


def test_leaving_amid_a_request_harms_nobody(gateway: Gateway) -> None:
    request = post(gateway)
    for at in range(0, len(request), 11):
        with connected(gateway) as connection:
            connection.sendall(request[:at])
    assert served(only(talk(gateway, request)))
