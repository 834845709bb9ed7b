"""The ``notify`` section: who gets notices of outages, and who expects a heartbeat. Its keys: ``notify_keys``.

Whoever knows a password, a token or the address of a hook may write in the site's name. So none of them is in the
configuration, which is shown and copied: each is in a file of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from ipaddress import ip_address
from typing import Any

from msgspec.structs import asdict

from ..redaction import redact
from ..settings import Channel, ChannelSettings, HeartbeatSettings, NotifySettings, WebhookChannel
from .file_paths import PATH
from .network_values import LOCALHOST, is_address
from .nodes import ScalarNode
from .notify_keys import CHANNEL, CHANNEL_KINDS, HEARTBEAT, MOST_CHANNELS, NOTIFY
from .notify_values import HEADER, check_channel_name, check_header_name
from .sections import Section
from .values import Rejected, Value, ValueType, join_choices

_KINDS = join_choices(list(CHANNEL_KINDS))


def read_notify(section: Section) -> NotifySettings:
    """What the section says, each mistake noted."""
    values = NOTIFY.read_section(section)
    found = _read_channels(section.section("channels"))
    beating = section.section("heartbeat")
    heartbeat = _read_heartbeat(beating) if section.has("heartbeat") and beating.names else None
    return NotifySettings(values["site"], found, heartbeat)


def list_notify(settings: NotifySettings) -> Mapping[str, Any]:
    """What a file says of ``settings``, by the names of its keys. Without a heartbeat there is no such key."""
    found: dict[str, Any] = {
        "site": settings.site,
        "channels": {name: _list_channel(channel) for name, channel in settings.channels.items()},
    }
    return found if settings.heartbeat is None else {**found, "heartbeat": asdict(settings.heartbeat)}


def _list_channel(channel: ChannelSettings) -> Mapping[str, Any]:
    kind = CHANNEL_KINDS[channel.kind]
    own = {name: getattr(channel.via, kind.fields.get(name, name)) for name in kind.keys.keys}
    return {channel.kind: own, "works_offline": channel.works_offline}


def _read_channels(section: Section) -> dict[str, ChannelSettings]:
    found = {}
    for name in section.names:
        below = section.section(name)
        if _is_name(section, name) and (channel := _read_channel(below)) is not None:
            found[name] = channel
    if len(section.names) > MOST_CHANNELS:
        section.problems.add(
            f"has {len(section.names)} channels",
            line=section.line,
            key=section.key,
            remedy=f"write at most {MOST_CHANNELS}",
        )
    return found


def _is_name(section: Section, name: str) -> bool:
    node = ScalarNode(name, name, section.line_of(name), quoted=True)
    try:
        check_channel_name(Value(section.problems, section.path_of(name), node), name)
    except Rejected:
        return False
    return True


def _read_channel(section: Section) -> ChannelSettings | None:
    values = CHANNEL.read_section(section)
    kinds = [word for word in CHANNEL_KINDS if section.has(word)]
    for word in kinds[1:]:
        section.report(word, f"a channel has one kind, and {kinds[0]} is here already", remedy="write another channel")
    if not kinds:
        message, remedy = "does not say how notices are sent", f"write {_KINDS} below it, with its keys"
        section.problems.add(message, line=section.line, key=section.key, remedy=remedy)
        return None
    via = _read_via(kinds[0], section.section(kinds[0]))
    return None if via is None or not section.is_sound() else ChannelSettings(via, values["works_offline"])


def _read_via(word: str, section: Section) -> Channel | None:
    kind = CHANNEL_KINDS[word]
    values = {**kind.keys.defaults, **kind.keys.read_written(section)}
    if kind.settings is WebhookChannel:
        values["headers"] = _read_headers(section, "headers", HEADER)
        values["header_files"] = _read_headers(section, "header_files", PATH)
    section.close()
    if not section.is_sound():
        return None
    _CHECKS.get(word, _check_nothing)(section, values)
    _refuse_secrets(section, values)
    if not section.is_sound():
        return None
    return kind.settings(**{kind.fields.get(name, name): value for name, value in values.items()})


def _read_headers(section: Section, key: str, type: ValueType[Any]) -> dict[str, Any]:
    headers, found = section.section(key), {}
    for name in headers.names:
        value = headers.find(name)
        assert value is not None
        try:
            check_header_name(value, name)
            found[name] = type.read(value)
        except Rejected:
            section.mark_wrong(key)
    return found


def _read_heartbeat(section: Section) -> HeartbeatSettings | None:
    values = HEARTBEAT.read_section(section)
    if section.is_sound():
        _check_url(section, values)
        _refuse_secrets(section, values)
    return HeartbeatSettings(**values) if section.is_sound() else None


def _check_mail(section: Section, values: Mapping[str, Any]) -> None:
    if not values["to"]:
        section.report("to", "must name a recipient", remedy="write [name@example.com]")
    _check_login(section, values)
    if values["user"] is not None and values["security"] == "none" and not _is_here(values["host"]):
        remedy = "write security: starttls or tls, or remove user and password_file"
        section.report("user", "the password would cross the network without encryption", remedy=remedy)


def _check_ntfy(section: Section, values: Mapping[str, Any]) -> None:
    _check_url(section, values)
    _check_login(section, values)
    if values["token_file"] is not None and values["user"] is not None:
        section.report("token_file", "is a second login beside user", remedy="keep one of the two")
    if values["url"] is not None and values["url"].count("/") < 3:
        section.report("url", "names no topic", remedy="write it as https://ntfy.sh/topic")


def _check_webhook(section: Section, values: Mapping[str, Any]) -> None:
    _check_url(section, values)
    twice = {name.lower() for name in values["headers"]} & {name.lower() for name in values["header_files"]}
    if twice:
        section.report("header_files", f"{', '.join(sorted(twice))} is in headers, too", remedy="keep one of the two")


def _check_nothing(section: Section, values: Mapping[str, Any]) -> None:
    """Nothing holds between the keys of this kind."""


_CHECKS: Mapping[str, Callable[[Section, Mapping[str, Any]], None]] = {
    "mail": _check_mail,
    "webhook": _check_webhook,
    "ntfy": _check_ntfy,
}


def _check_url(section: Section, values: Mapping[str, Any]) -> None:
    if values["url"] is None and values["url_file"] is None:
        remedy = "write url, or url_file with a file that contains the URL"
        section.problems.add("url is missing", line=section.line, key=section.key, remedy=remedy)
        section.mark_wrong("url")
    elif values["url"] is not None and values["url_file"] is not None:
        section.report("url_file", "is a second URL beside url", remedy="keep one of the two")


def _check_login(section: Section, values: Mapping[str, Any]) -> None:
    if (values["user"] is None) != (values["password_file"] is None):
        given, missing = ("user", "password_file") if values["password_file"] is None else ("password_file", "user")
        section.report(given, f"has no effect without {missing}", remedy=f"add {missing}, or remove this key")


def _is_here(host: str) -> bool:
    return host == LOCALHOST or (is_address(host) and ip_address(host).is_loopback)


def _refuse_secrets(section: Section, values: Mapping[str, Any]) -> None:
    """Note what looks like a credential; the value itself is not repeated."""
    written = {
        "url": ([values.get("url") or ""], "write the URL to a file, and name the file in url_file"),
        "click": ([values.get("click") or ""], "remove the credential"),
        "headers": (
            [f"{name}: {value}" for name, value in values.get("headers", {}).items()],
            "write the value to a file, and name the file in header_files",
        ),
        "template": ([values.get("template") or ""], "send it as a header from header_files"),
        "arguments": (
            [" ".join(values.get("arguments", ()))],
            "write it to a file that the program reads: every user of this machine can read arguments",
        ),
    }
    for key, (texts, remedy) in written.items():
        if any(redact(text) != text for text in texts):
            section.mark_wrong(key)
            section.problems.add(
                "contains a credential", line=section.line_of(key), key=section.path_of(key), remedy=remedy
            )
