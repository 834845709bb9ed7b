"""Whose pages may ask: only names that a foreign page cannot make a browser send."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from tests.web.pages import Browser, serve

from connmon_agent.web.hosts import Hosts, is_same_origin

NAMES = [
    ("localhost", True),
    ("localhost:9181", True),
    ("LOCALHOST", True),
    ("127.0.0.1", True),
    ("127.0.0.1:9181", True),
    ("127.1.2.3", True),
    ("[::1]", True),
    ("[::1]:9181", True),
    ("192.0.2.10:9181", True),  # the address of --listen
    ("erp.example", True),  # declared
    ("ERP.example.:443", True),
    ("192.0.2.11", False),  # another machine, which forwards to this one
    ("evil.example", False),
    ("evil.example:9181", False),
    ("localhost.evil.example", False),
    ("127.0.0.1.evil.example", False),
    ("erp.example.evil.example", False),
    ("xerp.example", False),
    ("localhost@evil.example", False),
    ("0x7f000001", False),
    ("2130706433", False),
    ("[::1", False),
    ("[::1]evil", False),
    (":9181", False),
    ("a:b:c", False),
    ("localhost:80x", False),
    ("[fe80::1]", False),
    ("", False),
]


@pytest.mark.parametrize(("host", "admitted"), NAMES)
def test_only_names_of_this_server_are_answered(host: str, admitted: bool) -> None:
    assert Hosts("192.0.2.10", ("erp.example",)).admits(host, "127.0.0.1") is admitted


def test_the_address_that_was_connected_to_is_one_of_them() -> None:
    assert Hosts("0.0.0.0").admits("192.0.2.10:9181", "192.0.2.10")
    assert Hosts("::").admits("[2001:db8::1]", "2001:db8:0:0::1")
    assert not Hosts("0.0.0.0").admits("192.0.2.10", "192.0.2.11")


def test_a_wrong_one_is_misdirected_whatever_is_asked_for(tmp_path: Path) -> None:
    async def story(browser: Browser) -> None:
        wrong = [name for name, admitted in NAMES if not admitted and name]
        answers = await asyncio.gather(
            *(browser.ask(target, host=name) for name in wrong for target in ("/", "/api/state", "/api/stream"))
        )
        assert {answer.status for answer in answers} == {421}
        assert all("web.allowed_hosts" in answer.document["error"]["message"] for answer in answers)
        assert (await browser.ask("/", host="localhost")).status == 200

    assert serve(tmp_path, story) == []


@pytest.mark.parametrize(
    ("origin", "host", "same"),
    [
        ("http://localhost:9181", "localhost:9181", True),
        ("http://erp.example", "erp.example", True),
        ("https://erp.example", "erp.example", True),  # a proxy speaks TLS for it
        ("https://ERP.example:443", "erp.example", True),
        ("http://[::1]:9181", "[::1]:9181", True),
        ("http://localhost:9182", "localhost:9181", False),
        ("http://evil.example", "localhost:9181", False),
        ("http://localhost:9181.evil.example", "localhost:9181", False),
        ("http://localhost:9181/x", "localhost:9181", False),
        ("null", "localhost:9181", False),
        ("", "localhost:9181", False),
        ("file://localhost:9181", "localhost:9181", False),
        ("http://[::1", "[::1]:9181", False),
        ("http://[localhost]:9181", "localhost:9181", False),
    ],
)
def test_orders_come_from_pages_of_this_server(origin: str, host: str, same: bool) -> None:
    assert is_same_origin(origin, host) is same
