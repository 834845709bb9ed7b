"""``notify test``: sent at once, by the same child as the agent's, and what became of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result
from tests.fakes.http_sinks import Reply, serve_http

from connmon_agent.cli import connmon_agent


def run(folder: Path, channels: dict[str, Any] | None, *words: str) -> Result:
    file = folder / "connmon.yaml"
    file.write_text(yaml.safe_dump({"notify": {"site": "berlin-7", "channels": channels or {}}}), encoding="utf-8")
    return CliRunner().invoke(
        connmon_agent, ["--config", str(file), "--state-dir", str(folder), "notify", "test", *words]
    )


def test_every_channel_gets_one_and_the_failed_one_says_why(tmp_path: Path) -> None:
    with serve_http() as good, serve_http(Reply(404, b"no such hook")) as bad:
        channels = {"chat": {"webhook": {"url": good.url()}}, "old": {"webhook": {"url": bad.url()}}}
        result = run(tmp_path, channels)
    assert result.exit_code == 1
    words = " ".join(result.stdout.split())
    assert "chat (webhook): sent: 127.0.0.1 answered HTTP 200" in words
    assert "old (webhook): refused: 127.0.0.1 answered HTTP 404: no such hook. Check the URL and its login" in words
    (request,) = good.requests
    assert json.loads(request.body)["subject"] == "[berlin-7] Test notice"
    assert list(tmp_path.iterdir()) == [tmp_path / "connmon.yaml"], "no state file is made"


def test_a_named_channel_alone_gets_one(tmp_path: Path) -> None:
    with serve_http() as good, serve_http() as other:
        channels = {"chat": {"webhook": {"url": good.url()}}, "other": {"webhook": {"url": other.url()}}}
        assert run(tmp_path, channels, "chat").exit_code == 0
        assert (len(good.requests), len(other.requests)) == (1, 0)


@pytest.mark.parametrize(
    ("channels", "words", "code", "told"),
    [
        ({}, (), 1, "no channel is configured"),
        ({"chat": {"webhook": {"url": "http://h/"}}}, ("caht",), 2, "No channel caht. The channels are chat."),
    ],
)
def test_without_such_a_channel_it_says_which_there_are(
    tmp_path: Path, channels: dict[str, Any], words: tuple[str, ...], code: int, told: str
) -> None:
    result = run(tmp_path, channels, *words)
    assert (result.exit_code, told in result.stderr) == (code, True)
