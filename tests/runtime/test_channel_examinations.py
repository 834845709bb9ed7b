"""``doctor`` on notices: what a channel needs of this machine, each with its remedy."""

from __future__ import annotations

import asyncio
import errno
import socket
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from connmon_agent.loading.configuration import built_in_settings
from connmon_agent.runtime.channel_examinations import examine_channels
from connmon_agent.runtime.findings import Finding, Health
from connmon_agent.settings import (
    AppriseChannel,
    Channel,
    ChannelSettings,
    CommandChannel,
    HeartbeatSettings,
    MailChannel,
    NotifySettings,
    NtfyChannel,
    WebhookChannel,
)


def resolve(host: bytes, port: int, **kind: Any) -> list[tuple[Any, ...]]:
    if host == b"missing.example":
        raise socket.gaierror(socket.EAI_NONAME, "unknown")
    return [(socket.AF_INET, socket.SOCK_STREAM, 0, "", ("192.0.2.1", port))]


def examine(*channels: Channel, heartbeat: HeartbeatSettings | None = None, **environment: str) -> list[Finding]:
    found = {f"c{number}": ChannelSettings(via) for number, via in enumerate(channels)}
    settings = replace(built_in_settings(Path.cwd()), notify=NotifySettings(None, found, heartbeat))

    async def collect() -> list[Finding]:
        return [one async for one in examine_channels(settings, environment=environment, resolve=resolve)]

    return asyncio.run(collect())


def secret(folder: Path, text: str = "s3cr3t", mode: int = 0o600) -> Path:
    file = folder / "secret"
    file.write_text(text, encoding="utf-8")
    file.chmod(mode)
    return file


def test_without_channels_nothing_is_said() -> None:
    assert examine() == []


def test_channels_that_have_all_they_need_are_good(tmp_path: Path) -> None:
    file = secret(tmp_path)
    url = tmp_path / "url"
    url.write_text("https://hook.example/x", encoding="utf-8")
    url.chmod(0o600)
    findings = examine(
        MailChannel("smtp.example", ("a@example.com",), user="u", password_file=file),
        WebhookChannel(url_file=url, header_files={"Authorization": file}),
        NtfyChannel(url="https://ntfy.example/t"),
        CommandChannel(Path(sys.executable)),
        heartbeat=HeartbeatSettings(url="https://hc.example/x"),
    )
    assert [(one.about, one.health) for one in findings] == [
        *((f"channel c{number}", Health.GOOD) for number in range(4)),
        ("heartbeat", Health.GOOD),
    ]
    texts = ["mail to a@example.com", "webhook", "ntfy to ntfy.example", f"command {sys.executable}"]
    assert [one.text for one in findings] == [*texts, "a ping every 60 s"]


@pytest.mark.parametrize(
    ("channel", "text", "remedy"),
    [
        (MailChannel("missing.example", ()), 'the name "missing.example" does not exist', "Correct the host"),
        (WebhookChannel(url="http://missing.example/"), 'the name "missing.example"', "Correct the host"),
        (
            NtfyChannel(url="https://n.example/t", token_file=Path("/no/token")),
            "token_file: ",
            "Create it with one line",
        ),
        (NtfyChannel(url_file=Path("/no/url")), "url_file: ", "Create it with one line"),
        (MailChannel("h", (), ca_file=Path("/no/ca")), "ca_file: ", "Correct it"),
        (CommandChannel(Path("/no/program")), "does not exist", "Install it"),
    ],
)
def test_what_is_missing_is_named_with_what_to_do(channel: Channel, text: str, remedy: str) -> None:
    (finding,) = examine(channel)
    assert finding.health is Health.WARNING
    assert text in finding.text
    assert finding.remedy is not None
    assert finding.remedy.startswith(remedy)


def test_through_a_proxy_it_is_the_proxys_name_that_must_be_known() -> None:
    hook = WebhookChannel(url="http://missing.example/")
    assert examine(hook, http_proxy="http://proxy.example:3128")[0].health is Health.GOOD
    (finding,) = examine(WebhookChannel(url="http://h.example/"), http_proxy="http://missing.example:3128")
    assert finding.health is Health.WARNING


def test_apprise_that_is_not_installed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    (finding,) = examine(AppriseChannel(secret(tmp_path, "json://localhost")))
    assert (finding.text, finding.remedy) == (
        "apprise is not installed",
        f"Run: {sys.executable} -m pip install apprise",
    )


@pytest.mark.linux_alone(reason="Windows has no modes of files")
def test_a_secret_that_everybody_can_read_and_a_program_that_nobody_can_run(tmp_path: Path) -> None:
    file = secret(tmp_path, mode=0o644)
    url = NtfyChannel(url="https://n.example/t", token_file=file)
    program = tmp_path / "program"
    program.write_text("", encoding="utf-8")
    program.chmod(0o644)
    findings = examine(url, CommandChannel(program))
    assert [one.remedy for one in findings] == [f"Run: chmod o-r {file}", f"Run: chmod +x {program}"]


def test_a_program_in_a_folder_that_this_user_may_not_enter_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> bool:  # root may enter all
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(Path, "is_file", refuse)
    program = Path("/root/bin/send-sms")
    (finding,) = examine(CommandChannel(program))
    assert finding.health is Health.WARNING
    assert finding.text == f"{program} cannot be examined: Permission denied"
