"""The checks of ``doctor`` on notices: what each channel and the heartbeat need of this machine. Nothing is sent."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import socket
import stat
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from msgspec import Struct
from msgspec.structs import asdict

from ..notices.http_requests import choose_url, trust
from ..notices.outcomes import NotSentError, read_secret
from ..probes.failures import ProbeFailure
from ..probes.lookups import Lookup, Resolve
from ..probes.proxies import choose_proxy
from ..settings import (
    AppriseChannel,
    ChannelSettings,
    CommandChannel,
    HeartbeatSettings,
    MailChannel,
    NtfyChannel,
    Settings,
    WebhookChannel,
)
from .findings import Finding, good, warning

PATIENCE = 3.0  # seconds for one name
CA_FILE = "ca_file"
_Http = WebhookChannel | NtfyChannel | HeartbeatSettings


async def examine_channels(
    settings: Settings, *, environment: Mapping[str, str] = os.environ, resolve: Resolve = socket.getaddrinfo
) -> AsyncIterator[Finding]:
    """What keeps a channel or the heartbeat from working, each with its remedy; else that it is configured well."""
    notify = settings.notify
    asked: list[tuple[str, Struct, str]] = [
        (f"channel {name}", channel.via, _describe(channel)) for name, channel in notify.channels.items()
    ]
    if notify.heartbeat is not None:
        asked.append(("heartbeat", notify.heartbeat, f"a ping every {notify.heartbeat.interval:g} s"))
    hosts = await asyncio.gather(*(_look_up(via, environment, resolve) for _, via, _ in asked))
    for (about, via, description), host in zip(asked, hosts, strict=True):
        troubles = [*_examine_files(about, via), *_examine_program(about, via), *_tell_host(about, host)]
        for finding in troubles:
            yield finding
        if not troubles:
            yield good(about, description)


def _describe(channel: ChannelSettings) -> str:
    via, offline = channel.via, ", also during an outage" if channel.works_offline else ""
    if isinstance(via, MailChannel):
        return f"mail to {', '.join(via.to)}{offline}"
    if isinstance(via, CommandChannel):
        return f"command {via.program}{offline}"
    url = getattr(via, "url", None)  # one in a file is a secret
    host = "" if url is None else f" to {urlsplit(url).hostname}"
    return f"{channel.kind}{host}{offline}"


def _examine_files(about: str, via: Struct) -> Iterator[Finding]:
    """Each file that the configuration names: it can be read, holds one line, and is not for everybody."""
    for key, path in _list_files(via):
        try:
            read_secret(path, key)
        except NotSentError as error:
            text, _, remedy = error.detail.rpartition(". ")
            yield warning(about, text, remedy)
            continue
        if _is_open(path):
            yield warning(about, f"{key}: every user of this machine can read {path}", f"Run: chmod o-r {path}")
    ca_file = getattr(via, CA_FILE, None)
    if ca_file is not None:
        try:
            trust(ca_file)
        except NotSentError as error:
            text, _, remedy = error.detail.rpartition(". ")
            yield warning(about, text, remedy)


def _list_files(via: Struct) -> Iterator[tuple[str, Path]]:
    for key, value in asdict(via).items():
        if key == "header_files":
            yield from ((f"{key}.{name}", path) for name, path in value.items())
        elif key.endswith("_file") and key != CA_FILE and value is not None:
            yield key, value


def _is_open(path: Path) -> bool:
    if sys.platform == "win32":
        return False
    try:
        return bool(path.stat().st_mode & stat.S_IROTH)
    except OSError:  # what was read is systemd's copy
        return False


def _examine_program(about: str, via: Struct) -> Iterator[Finding]:
    if isinstance(via, CommandChannel):
        try:
            exists = via.program.is_file()
        except OSError as error:  # it is in a folder of somebody else's
            words = f"{via.program} cannot be examined: {error.strerror or error}"
            yield warning(about, words, "Run `connmon-agent doctor` as the agent's user")
            return
        if not exists:
            yield warning(about, f"{via.program} does not exist", "Install it, or correct command.program")
        elif not os.access(via.program, os.X_OK):
            yield warning(about, f"{via.program} cannot be executed by this user", f"Run: chmod +x {via.program}")
    if isinstance(via, AppriseChannel) and importlib.util.find_spec("apprise") is None:
        yield warning(about, "apprise is not installed", f"Run: {sys.executable} -m pip install apprise")


async def _look_up(via: Struct, environment: Mapping[str, str], resolve: Resolve) -> str | None:
    """Why the host that is asked cannot be found, in words; None: it can, or no host is known."""
    try:
        place = _find_place(via, environment)
        if place is None:
            return None
        async with asyncio.timeout(PATIENCE):
            await Lookup(resolve).find_addresses(*place)
    except NotSentError:
        return None  # the file is examined by itself
    except ProbeFailure as error:
        return error.reason
    except TimeoutError:
        return f"no name server answered within {PATIENCE:g} s"
    return None


def _find_place(via: Struct, environment: Mapping[str, str]) -> tuple[str, int] | None:
    """Host and port that a connection goes to: the proxy's, where there is one. Raises NotSentError, ProbeFailure."""
    if isinstance(via, MailChannel):
        return via.host, via.port or 0
    if not isinstance(via, _Http):
        return None
    parts = urlsplit(choose_url(via.url, via.url_file).text)
    secure = parts.scheme == "https"
    host, port = parts.hostname or "", parts.port or (443 if secure else 80)
    proxy = choose_proxy(via.proxy, host, port, environment, secure=secure)
    return (host, port) if proxy is None else (proxy.host, proxy.port)


def _tell_host(about: str, reason: str | None) -> Iterator[Finding]:
    if reason is not None:
        yield warning(about, reason, "Correct the host or the URL, or check the name servers of this machine")
