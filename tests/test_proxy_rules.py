"""Go's rules for proxies of the environment, which are kubectl's: net/http/httpproxy and its own tests."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connmon_agent.proxy_rules import Proxy, ProxyError, is_exempt, is_local, name_proxy, parse_proxy

PROXY = "http://proxy.example:3128"


@pytest.mark.parametrize(
    ("no_proxy", "host", "exempt"),
    [
        ("", "web.example", False),
        ("*", "web.example", True),
        ("a.example,*", "192.0.2.1", True),
        ("web.example", "web.example", True),
        ("web.example", "a.web.example", True),
        ("web.example", "otherweb.example", False),
        (".web.example", "web.example", False),
        (".web.example", "a.web.example", True),
        ("*.web.example", "a.web.example", True),
        ("*.web.example", "web.example", False),
        ("a.example, WEB.example", "web.EXAMPLE.", True),
        ("a.example web.example", "web.example", True),
        ("192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.11", False),
        ("192.0.2.0/24", "192.0.2.1", True),
        ("192.0.2.7/24", "192.0.2.1", True),
        ("10.0.0.0/8,198.51.100.0/24", "198.51.100.2", True),
        ("192.0.2.0/24", "198.51.100.1", False),
        ("192.0.2.0/24", "web.example", False),
        ("192.0.2.0/33", "192.0.2.1", False),
        ("[2001:db8::1]", "2001:db8::1", True),
        ("2001:db8::1", "2001:db8::1", True),
        ("2001:db8::/32", "2001:db8::1", True),
        ("2001:db8::/32", "192.0.2.1", False),
        ("web.example:6443", "web.example", True),
        ("web.example:443", "web.example", False),
        ("192.0.2.1:6443", "192.0.2.1", True),
        ("192.0.2.1:80", "192.0.2.1", False),
        ("[2001:db8::1]:6443", "2001:db8::1", True),
        ("[2001:db8::1]:80", "2001:db8::1", False),
        ("2", "192.0.2.2", False),
        (".", "web.example", False),
        (":6443", "web.example", False),
    ],
)
def test_what_no_proxy_exempts(no_proxy: str, host: str, exempt: bool) -> None:
    assert is_exempt(host, 6443, no_proxy) is exempt


@pytest.mark.parametrize(
    ("scheme", "environment", "variable"),
    [
        ("https", {"HTTPS_PROXY": PROXY}, "HTTPS_PROXY"),
        ("https", {"https_proxy": PROXY, "HTTPS_PROXY": "x"}, "https_proxy"),
        ("https", {"HTTP_PROXY": PROXY}, None),
        ("http", {"HTTP_PROXY": PROXY}, "HTTP_PROXY"),
        ("http", {"HTTP_PROXY": PROXY, "REQUEST_METHOD": "GET"}, None),
        ("https", {"ALL_PROXY": PROXY}, "ALL_PROXY"),
        ("https", {"ALL_PROXY": "socks5://proxy.example:1080"}, None),
        ("https", {"HTTPS_PROXY": "socks5://proxy.example:1080"}, "HTTPS_PROXY"),
        ("https", {"HTTPS_PROXY": PROXY, "NO_PROXY": "192.0.2.0/24"}, None),
        ("https", {"HTTPS_PROXY": PROXY, "no_proxy": "192.0.2.0/24", "NO_PROXY": "x"}, None),
        ("https", {"HTTPS_PROXY": " "}, None),
    ],
)
def test_which_variable_names_the_proxy(scheme: str, environment: dict[str, str], variable: str | None) -> None:
    named = name_proxy(scheme, "192.0.2.1", 6443, environment)
    assert (named and named[0]) == variable


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST", "127.0.0.1", "127.8.9.1", "::1"])
def test_this_machine_is_reached_without_one(host: str) -> None:
    assert is_local(host)
    assert name_proxy("https", host, 6443, {"HTTPS_PROXY": PROXY}) is None


@given(st.text(max_size=30), st.text(max_size=30), st.text(max_size=30))
def test_no_text_breaks_the_rule(host: str, value: str, no_proxy: str) -> None:
    name_proxy("https", host, 443, {"HTTPS_PROXY": value, "NO_PROXY": no_proxy})


@pytest.mark.parametrize(
    ("text", "proxy"),
    [
        ("http://proxy.example:8080", Proxy("proxy.example", 8080)),
        ("http://proxy.example:8080/", Proxy("proxy.example", 8080)),
        ("proxy.example:8080", Proxy("proxy.example", 8080)),
        ("http://proxy.example", Proxy("proxy.example", 80)),
        ("https://proxy.example", Proxy("proxy.example", 443, None, "https")),
        ("http://[2001:db8::1]:80", Proxy("2001:db8::1", 80)),
        ("http://ada:se%20cret@proxy.example:80", Proxy("proxy.example", 80, "Basic YWRhOnNlIGNyZXQ=")),
    ],
)
def test_a_proxy_that_is_named(text: str, proxy: Proxy) -> None:
    assert parse_proxy(text, "http_proxy") == proxy


@pytest.mark.parametrize("text", ["socks5://u:secret@a", "ftp://a", "http://", "http://[::1", "x:99999", "x:0", "\xfc"])
def test_what_is_no_proxy_is_refused_without_its_password(text: str) -> None:
    with pytest.raises(ProxyError, match=r"^http_proxy names (no HTTP|a SOCKS) proxy$"):
        parse_proxy(text, "http_proxy")


def test_a_password_is_never_shown() -> None:
    proxy = parse_proxy("http://ada:secret@proxy.example:80", "http_proxy")

    assert (str(proxy), proxy.url) == ("proxy.example:80", "http://proxy.example:80")
    assert str(Proxy("::1", 80)) == "[::1]:80"


@given(st.text(max_size=30))
def test_no_text_breaks_the_reading(text: str) -> None:
    with contextlib.suppress(ProxyError):
        assert parse_proxy(text, "http_proxy").host
