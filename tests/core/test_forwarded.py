"""Whom a proxy asks for: which part of `X-Forwarded-For` is believed."""

from __future__ import annotations

import re
from ipaddress import IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callgate.core.forwarded import MOST_BYTES, TrustedProxies, networks_of

PEER = "10.0.0.2"
PROXIES = TrustedProxies(networks_of("10.0.0.0/8, 192.168.7.7, fd00::/8, 2001:db8:5::7"))


def caller(header: bytes) -> str:
    return PROXIES.caller(PEER, header)


@pytest.mark.parametrize(
    ("peer", "trusted"),
    [
        ("10.255.0.1", True),
        ("11.0.0.1", False),
        ("192.168.7.7", True),
        ("192.168.7.8", False),
        ("fd12::1", True),
        ("fe80::1%eth0", False),
        ("2001:db8:5::7", True),
        ("2001:db8:5::8", False),
        ("::ffff:10.0.0.1", True),  # as a socket for both kinds tells it
        ("::ffff:11.0.0.1", False),
        ("testclient", False),
        ("", False),
    ],
)
def test_a_proxy_is_known_by_its_address(peer: str, trusted: bool) -> None:
    assert PROXIES.trusts(peer) is trusted


def test_link_local_proxies_are_known_whatever_the_link() -> None:
    assert TrustedProxies(networks_of("fe80::/10")).trusts("fe80::1%eth0")


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (b"203.0.113.9", "203.0.113.9"),
        (b"203.0.113.9, 10.0.0.3, 192.168.7.7", "203.0.113.9"),
        (b"1.1.1.1, 203.0.113.9", "203.0.113.9"),  # what the caller itself had sent
        (b"10.0.0.9, 203.0.113.9, fd00::1", "203.0.113.9"),
        (b"2001:DB8:0:0::1", "2001:db8::1"),
        (b"::ffff:203.0.113.9", "203.0.113.9"),
        (b"203.0.113.9:4711", "203.0.113.9"),
        (b"[2001:db8::1]:4711,10.0.0.3:80", "2001:db8::1"),
        (b"[2001:db8::1]", "2001:db8::1"),
        (b" 203.0.113.9 ,\t10.0.0.3 , ", "203.0.113.9"),
        (b",,203.0.113.9,,10.0.0.3,,", "203.0.113.9"),
    ],
)
def test_the_caller_is_the_last_that_is_no_proxy(header: bytes, expected: str) -> None:
    assert caller(header) == expected


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (b"", PEER),
        (b",,", PEER),
        (b"10.0.0.9, 10.0.0.3", "10.0.0.9"),  # a caller within the networks of the proxies
        (b"203.0.113.9, unknown", PEER),
        (b"203.0.113.9, _hidden, 10.0.0.3", "10.0.0.3"),
        (b"203.0.113.9, 10.0.0.3:port", PEER),
        (b"[2001:db8::1", PEER),
        (b"1.2.3.4.5", PEER),
        (b"1..3.4", PEER),
        (b"1.2.3.256", PEER),
        (b"1.2.3.0004", PEER),
        (b"1.2.3.-4", PEER),
        (b"1.2.3.\xb2", PEER),
        (b"[2001:db8::1]x", PEER),
        (b"fe80::1%eth0", PEER),
        (b"010.0.0.1", PEER),
        (b"203.0.113", PEER),
        (b"203.0.113.9/32", PEER),
        ("٢٠٣.0.113.9".encode(), PEER),
        (b"203.0.113.9\x1b[2J", PEER),
        (b"203.0.113.9" + b" " * 60, PEER),
        (b"7" * 60_000, PEER),
    ],
)
def test_what_cannot_be_read_ends_the_walk_at_the_last_that_could(
    header: bytes, expected: str
) -> None:
    assert caller(header) == expected


def test_a_chain_has_an_end() -> None:
    assert caller(b"203.0.113.9" + b",10.0.0.3" * 31) == "203.0.113.9"
    assert caller(b"203.0.113.9" + b",10.0.0.3" * 32) == "10.0.0.3"
    assert caller(b"," * 60_000 + b"10.0.0.3") == "10.0.0.3"
    longest = b",[" + b"0000:" * 7 + b"0000]:65535" + b" " * 10
    assert len(longest) * 32 < MOST_BYTES


@given(st.binary(max_size=200) | st.text("0123456789abcdef:.[],% ", max_size=200).map(str.encode))
def test_whatever_is_sent_an_address_comes_of_it(header: bytes) -> None:
    assert ip_address(caller(header))


@given(st.from_regex(r"[0-9]{0,4}(\.[0-9]{0,4}){2,4}", fullmatch=True) | st.ip_addresses().map(str))
def test_addresses_are_read_as_the_standard_library_reads_them(text: str) -> None:
    try:
        address: object = ip_address(text)
    except ValueError:
        address = PEER
    if not isinstance(address, IPv6Address) or address.ipv4_mapped is None:
        assert caller(text.encode()) == str(address)


@given(st.lists(st.sampled_from(["1.1.1.1", "10.9.9.9", "fd00::9", "x", ""])))
def test_what_a_caller_invents_changes_nothing(invented: list[str]) -> None:
    header = ",".join([*invented, "203.0.113.9", "10.0.0.3"])
    assert caller(header.encode()) == "203.0.113.9"


def test_an_address_is_believed_in_any_of_many_networks_and_in_none_of_none() -> None:
    many = TrustedProxies(networks_of(",".join(f"10.{n}.0.0/16" for n in range(0, 256, 2))))
    assert many.trusts("10.2.3.4")
    assert not many.trusts("10.3.3.4")
    assert not TrustedProxies([]).trusts("10.0.0.1")
    assert TrustedProxies(networks_of("0.0.0.0/0")).trusts("8.8.8.8")
    assert not TrustedProxies(networks_of("0.0.0.0/0")).trusts("2001:db8::1")
    assert TrustedProxies(networks_of("::ffff:10.0.0.0/104")).trusts("10.1.1.1")
    assert TrustedProxies(networks_of("::ffff:0.0.0.0/96")).trusts("8.8.8.8")
    assert not TrustedProxies(networks_of("::/90")).trusts("8.8.8.8")


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ("10.0.0.1/8", "'10.0.0.1/8' is an address within a network, which is 10.0.0.0/8"),
        ("2001:db8::1/32", "which is 2001:db8::/32"),
        ("nginx", "expected an address or a network"),
        ("*", "expected an address or a network"),
        ("unix", "expected an address or a network"),
        ("10.0.0.0/33", "expected an address or a network"),
        ("10.0.0.2, fd00::/129", "got 'fd00::/129'"),
        ("fe80::1%eth0", "expected an address or a network"),
        ("10.0.0.2:80", "expected an address or a network"),
    ],
)
def test_what_is_no_network_is_told(entry: str, told: str) -> None:
    with pytest.raises(ValueError, match=re.escape(told)):
        networks_of(entry)


def test_an_entry_may_name_several_networks_or_none() -> None:
    assert [str(one) for one in networks_of("10.0.0.0/8,10.1.2.3 , fd00::/8,")] == [
        "10.0.0.0/8",
        "10.1.2.3/32",
        "fd00::/8",
    ]
    assert networks_of("") == []
