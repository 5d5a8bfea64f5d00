"""Reading a key from a request."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callgate.core.keys import mint
from callgate.errors import GatewayError
from callgate.web.credentials import SEVERAL, UNAUTHORIZED, check_region, read_key

KEY = mint("us", b"k" * 20)
ENDPOINTS = {"eu": "https://eu.example"}


def fix_for(headers: dict[bytes, bytes], query: bytes = b"") -> str:
    with pytest.raises(GatewayError) as caught:
        check_region(read_key(headers, query), "us", ENDPOINTS)
    assert caught.value.message == UNAUTHORIZED
    assert KEY not in caught.value.fix
    return caught.value.fix


@pytest.mark.parametrize(
    "sent", ["{}", "Bearer {}", "bearer {}", "BEARER   {}", "  {}  ", "Bearer\t{}"]
)
def test_a_key_is_read_with_and_without_bearer(sent: str) -> None:
    if "\t" in sent:
        sent = sent.replace("\t", " ")
    value = sent.format(KEY).encode()
    text = read_key({b"authorization": value}, b"")
    assert text == KEY
    check_region(text, "us", {})


@pytest.mark.parametrize(
    ("headers", "query", "words"),
    [
        ({}, b"", "Authorization: <key>"),
        ({b"authorization": b""}, b"", "Authorization: <key>"),
        ({b"x-api-key": KEY.encode()}, b"", "'x-api-key'"),
        ({b"proxy-authorization": KEY.encode()}, b"", "'proxy-authorization'"),
        ({}, b"api_key=" + KEY.encode(), "revoke the one"),
        ({}, b"a=b&KEY=x", "revoke the one"),
        ({b"authorization": SEVERAL}, b"", "more than once"),
        ({}, b"&&=;%ff%00" * 1000, "Authorization: <key>"),
        ({b"authorization": b"Bearer"}, b"", "Authorization"),
        ({b"authorization": b"Basic " + KEY.encode()}, b"", "'basic'"),
        ({b"authorization": b'"' + KEY.encode() + b'"'}, b"", "without quotes"),
        ({b"authorization": KEY[:-1].encode()}, b"", "checksum"),
        ({b"authorization": KEY.swapcase().encode()}, b"", "checksum"),
        ({b"authorization": b"AIzaSyA"}, b"", "provider's key"),
        ({b"authorization": b"\xff" * 60_000}, b"", "begin with 'cg_'"),
        ({b"authorization": b"0123456789abcdef" * 2}, b"", "begin with 'cg_'"),
        ({b"authorization": b""}, b"", "variable empty"),
        ({b"authorization": b"Bearer "}, b"", "variable empty"),
        ({b"authorization": b"Bearer undefined"}, b"", "variable empty"),
        ({b"authorization": b"Bearer $CALLGATE_KEY"}, b"", "name of a variable"),
        ({b"authorization": b"{{callgate_key}}"}, b"", "name of a variable"),
        ({b"authorization": b"{" + KEY.encode() + b"}"}, b"", "brackets"),
        ({b"authorization": b"Bearer: " + KEY.encode()}, b"", "nothing else"),
        ({b"authorization": b"Bearer Bearer " + KEY.encode()}, b"", "nothing else"),
        ({b"authorization": KEY.encode() + b", " + KEY.encode()}, b"", "nothing else"),
        ({b"authorization": KEY.upper().encode()}, b"", "checksum"),
        ({b"authoriztion": KEY.encode()}, b"", "'authoriztion'"),
        ({b"auth": KEY.encode()}, b"", "'auth'"),
        ({b"authorization": b"", b"x-auth-token": KEY.encode()}, b"", "'x-auth-token'"),
    ],
    ids=range(29),
)
def test_a_near_miss_is_told_by_name(headers: dict[bytes, bytes], query: bytes, words: str) -> None:
    assert words in fix_for(headers, query)


def test_other_headers_are_no_misspelt_ones() -> None:
    others = {b"accept": b"*/*", b"authentication-results": b"none"}
    assert fix_for(others) == fix_for({})


def test_a_key_of_another_region() -> None:
    with pytest.raises(GatewayError, match=r"'eu'.*https://eu\.example") as caught:
        check_region(mint("eu", b"k" * 20), "us", ENDPOINTS)
    assert caught.value.kind.type == "wrong_region_key"
    assert caught.value.fix == "Use the endpoint https://eu.example or a key of region 'us'."
    with pytest.raises(GatewayError, match=r"'asia', this endpoint serves 'us'\.$") as caught:
        check_region(mint("asia", b"k" * 20), "us", ENDPOINTS)
    assert caught.value.fix == caught.value.kind.fix


@given(value=st.binary(min_size=1, max_size=80), query=st.binary(max_size=80))
def test_whatever_is_sent_is_refused_in_the_same_words(value: bytes, query: bytes) -> None:
    for headers in ({b"authorization": value}, {}):
        fix_for(headers, query)
