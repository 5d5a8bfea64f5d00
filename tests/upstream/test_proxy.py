"""Which proxy leads where."""

from __future__ import annotations

from base64 import b64encode

import pytest

from callgate.core.http import Origin
from callgate.upstream.proxy import parse_proxies

SECURE = Origin("https", "api.example.com", 443)
PLAIN = Origin("http", "10.1.2.3", 8000)


def test_each_scheme_has_its_own_proxy_and_all_is_the_default() -> None:
    proxies = parse_proxies(https="http://a:1", all="b:2")
    secure, plain = proxies.find(SECURE), proxies.find(PLAIN)
    assert secure is not None
    assert plain is not None
    assert secure.origin == Origin("http", "a", 1)
    assert plain.origin == Origin("http", "b", 2)
    plain = parse_proxies(http="http://c:3", all="b:2").find(PLAIN)
    assert plain is not None
    assert plain.origin == Origin("http", "c", 3)


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("proxy", Origin("http", "proxy", 80)),
        ("http://proxy", Origin("http", "proxy", 80)),
        ("https://proxy", Origin("https", "proxy", 443)),
        ("https://user@[::1]:8443", Origin("https", "::1", 8443)),
    ],
)
def test_a_proxys_port_is_its_schemes_unless_it_has_one(url: str, origin: Origin) -> None:
    proxy = parse_proxies(all=url).find(PLAIN)
    assert proxy is not None
    assert proxy.origin == origin


def test_nothing_set_means_direct() -> None:
    assert parse_proxies().find(SECURE) is None
    assert parse_proxies(http="http://a").find(SECURE) is None


@pytest.mark.parametrize(
    ("no", "origin", "direct"),
    [
        ("*", SECURE, True),
        ("example.com", SECURE, True),
        (".example.com", SECURE, True),
        ("*.example.com", SECURE, True),
        ("EXAMPLE.com", SECURE, True),
        ("example.com", Origin("https", "API.Example.com.", 443), True),
        ("api.example.com", SECURE, True),
        ("ample.com", SECURE, False),
        ("example.org, example.com", SECURE, True),
        ("example.com:443", SECURE, True),
        ("example.com:8443", SECURE, False),
        ("10.1.2.3", PLAIN, True),
        ("10.0.0.0/8", PLAIN, True),
        ("10.0.0.1/8", PLAIN, True),
        ("10.1.2.3:8000", PLAIN, True),
        ("10.1.2.3:80", PLAIN, False),
        ("192.168.0.0/16", PLAIN, False),
        ("10.1.2.4", PLAIN, False),
        ("*:8000", PLAIN, True),
        ("::1", Origin("http", "::1", 80), True),
        ("[::1]", Origin("http", "::1", 80), True),
        ("[::1]:80", Origin("http", "::1", 80), True),
        ("[::1]:81", Origin("http", "::1", 80), False),
        ("fd00::/8", Origin("http", "fd00::5", 80), True),
        ("10.0.0.0/8", Origin("http", "fd00::5", 80), False),
        ("", SECURE, False),
        (" , ", SECURE, False),
        (".", SECURE, False),
        ("not/a/net", PLAIN, False),
    ],
)
def test_hosts_domains_and_networks_are_exempt_from_the_proxy(
    no: str, origin: Origin, direct: bool
) -> None:
    assert (parse_proxies(all="http://p", no=no).find(origin) is None) == direct


@pytest.mark.parametrize(
    "url",
    ["socks5://u:hidden@a:1", "http://u:hidden@", "http://u:hidden@a:99999", "http://u:hidden@[a"],
)
def test_unusable_proxy_is_refused_without_showing_its_credentials(url: str) -> None:
    with pytest.raises(ValueError, match="proxy") as caught:
        parse_proxies(https=url)
    assert "hidden" not in str(caught.value)


def test_credentials_do_not_show() -> None:
    proxies = parse_proxies(all="http://user:hidden@a")
    proxy = proxies.find(SECURE)
    assert proxy is not None
    assert proxy.authorization.reveal() == "Basic dXNlcjpoaWRkZW4="
    assert "hidden" not in repr(proxies)
    assert "dXNl" not in repr(proxies)


def test_a_user_without_a_password_is_told_with_an_empty_one() -> None:
    proxy = parse_proxies(all="http://us%40er@a").find(SECURE)
    assert proxy is not None
    assert proxy.authorization.reveal() == "Basic " + b64encode(b"us@er:").decode()
