"""Orders from the page: only with the token, only from this page, and only such as there are."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from tests.web.pages import Answer, Browser, serve

from connmon_agent.core.events import Order
from connmon_agent.errors import ConnmonError, NotRunning, Refused
from connmon_agent.web import order_desk
from connmon_agent.web.order_desk import LONGEST_BODY, read_token

TOKEN = "correct-horse-battery-staple"
JSON = "application/json"


class Noted:
    """``Orders`` that are written down; ``failing`` with this, where it is set."""

    def __init__(self, failing: ConnmonError | None = None) -> None:
        self.given: list[tuple[Order, tuple[str, ...]]] = []
        self._failing = failing

    def give(self, order: Order, services: tuple[str, ...]) -> dict[str, Any]:
        if self._failing is not None:
            raise self._failing
        self.given.append((order, services))
        return {"accepted": True, "running": True, "message": "done"}


@pytest.fixture
def token_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(order_desk, "PENALTY", 0.0)
    path = tmp_path / "token"
    path.write_text(f" {TOKEN}\n", encoding="utf-8")
    return path


async def order(browser: Browser, body: object, **fields: str) -> Answer:
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    usual = {"content_type": JSON, "x_connmon_token": TOKEN, **fields}
    return await browser.ask(
        "/api/orders", "POST", body=text, **{name: value for name, value in usual.items() if value}
    )


def test_who_has_the_token_gives_orders(tmp_path: Path, token_file: Path) -> None:
    orders = Noted()

    async def story(browser: Browser) -> None:
        for body in (
            {"order": "pause"},
            {"order": "resume", "services": []},
            {"order": "recover", "services": ["web"]},
        ):
            answer = await order(browser, body, origin="http://localhost")
            assert (answer.status, answer.document["accepted"]) == (200, True)
        assert (await order(browser, {"order": "rearm", "services": ["web", "db"]})).status == 200  # from no browser
        assert (await browser.ask("/api/state")).document["orders"] is True

    assert serve(tmp_path, story, orders=orders, token_file=token_file) == []
    assert orders.given == [
        (Order.PAUSE, ()),
        (Order.RESUME, ()),
        (Order.RECOVER, ("web",)),
        (Order.REARM, ("web", "db")),
    ]


@pytest.mark.parametrize("token", ["", "wrong", TOKEN[:-1], TOKEN + "x", TOKEN.upper(), "é" * 20])
def test_without_it_nothing_is_ordered(tmp_path: Path, token_file: Path, token: str) -> None:
    orders = Noted()

    async def story(browser: Browser) -> None:
        answer = await order(browser, {"order": "pause"}, x_connmon_token=token)
        assert answer.status == 403 and "token" in answer.document["error"]["message"]
        assert TOKEN not in answer.body.decode()

    assert serve(tmp_path, story, orders=orders, token_file=token_file) == []
    assert orders.given == []


@pytest.mark.parametrize(
    ("body", "fields", "status"),
    [
        ({"order": "pause"}, {"origin": "http://evil.example"}, 403),
        ({"order": "pause"}, {"origin": "null"}, 403),
        ({"order": "pause"}, {"origin": "http://[::1"}, 403),
        ({"order": "pause"}, {"content_type": "text/plain"}, 415),
        ({"order": "pause"}, {"content_type": "application/x-www-form-urlencoded"}, 415),
        ({"order": "pause"}, {"content_type": ""}, 415),
        ({"order": "explode"}, {}, 400),
        ({"order": "pause", "services": ["web"]}, {}, 400),
        ({"order": "recover", "services": "web"}, {}, 400),
        ({"order": "recover", "force": True}, {}, 400),
        ({}, {}, 400),
        ([], {}, 400),
        (b"", {}, 400),
        (b"\xff\xfe", {}, 400),
        (b"[" * 2000, {}, 400),
        (b'{"order": "recover", "services": ["' + b"x" * LONGEST_BODY + b'"]}', {}, 413),
    ],
)
def test_what_is_no_order_of_this_page_is_refused(
    tmp_path: Path, token_file: Path, body: object, fields: dict[str, str], status: int
) -> None:
    orders = Noted()

    async def story(browser: Browser) -> None:
        answer = await order(browser, body, **fields)
        assert (answer.status, answer.document["error"]["status"]) == (status, status)

    assert serve(tmp_path, story, orders=orders, token_file=token_file) == []
    assert orders.given == []


@pytest.mark.parametrize(
    ("failing", "status"),
    [
        (Refused("the link is OFFLINE"), 409),
        (NotRunning("no agent accepts orders"), 503),
        (ConnmonError("the disk is full", hint="Free space"), 503),
    ],
)
def test_why_the_agent_did_not_take_it_is_told(
    tmp_path: Path, token_file: Path, failing: ConnmonError, status: int
) -> None:
    async def story(browser: Browser) -> None:
        answer = await order(browser, {"order": "recover"})
        error = answer.document["error"]
        assert (answer.status, error["message"], error["hint"]) == (status, failing.message, failing.hint)

    assert serve(tmp_path, story, orders=Noted(failing), token_file=token_file) == []


def test_another_token_is_in_force_at_once(tmp_path: Path, token_file: Path) -> None:
    orders = Noted()

    async def story(browser: Browser) -> None:
        token_file.write_text("another-token-altogether", encoding="utf-8")
        assert (await order(browser, {"order": "pause"})).status == 403
        assert (await order(browser, {"order": "pause"}, x_connmon_token="another-token-altogether")).status == 200
        token_file.unlink()
        assert (await order(browser, {"order": "pause"}, x_connmon_token="another-token-altogether")).status == 503

    assert serve(tmp_path, story, orders=orders, token_file=token_file) == []


def test_without_a_token_file_orders_are_off_and_the_page_knows_it(tmp_path: Path) -> None:
    async def story(browser: Browser) -> None:
        assert (await browser.ask("/api/state")).document["orders"] is False
        answer = await order(browser, {"order": "pause"})
        assert (answer.status, "web.token_file" in answer.document["error"]["message"]) == (403, True)
        for method in ("GET", "HEAD"):
            assert (await browser.ask("/api/orders", method)).fields["allow"] == "POST"

    assert serve(tmp_path, story) == []


def short_ones() -> Iterable[bytes]:
    return b"", b"   \n", b"fifteen-letters", b" short \n"


@pytest.mark.parametrize("text", short_ones())
def test_a_token_that_could_be_guessed_is_refused(tmp_path: Path, text: bytes) -> None:
    path = tmp_path / "token"
    path.write_bytes(text)
    with pytest.raises(ConnmonError, match="too short"):
        read_token(path)


def test_a_token_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    for path in (tmp_path / "absent", tmp_path):
        with pytest.raises(ConnmonError, match=r"web\.token_file .* cannot be read"):
            read_token(path)
