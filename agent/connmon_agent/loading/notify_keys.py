"""The keys of ``notify``: one table a kind of channel, and those of the heartbeat. How they are read: ``notify``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from ..settings import (
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
from .file_paths import PATH
from .key_tables import Key, KeyTable, MappingOf
from .network_values import ADDRESSEE, HOST, PROXY
from .notify_values import ARGUMENT, HEADER, MAIL_ADDRESS, TAG, TEMPLATE
from .values import FLAG, PORT, TEXT, Choice, Duration, ListOf, OrNull, WholeNumber

MOST_CHANNELS = 20
MOST_RECIPIENTS = 50
SHORTEST_BEAT, LONGEST_BEAT = 15.0, 86_400.0  # seconds; healthchecks takes five pings a minute
LONGEST_COMMAND = 50.0  # seconds; who sends a notice is killed after 60
_FILE = "its first line is taken; the agent's user must be able to read it"
_CA_FILE = Key(
    "ca_file", OrNull(PATH), "certificate authorities in PEM that are trusted too; `null`: only those of this machine"
)
_PROXY = Key("proxy", OrNull(PROXY), "the proxy to use; `null`: what the environment says")
_NO_URL = WebhookChannel()
_NO_MAIL = MailChannel("", ())
_NO_PROGRAM = CommandChannel(program=None)  # type: ignore[arg-type]  # only its defaults are used

MAIL = KeyTable(
    Key("host", HOST, "the mail server", needed=True),
    Key("to", ListOf(MAIL_ADDRESS, most=MOST_RECIPIENTS), "who gets the mail", needed=True),
    Key(
        "from",
        OrNull(MAIL_ADDRESS),
        "the sender; `null`: `connmon-agent` at this host's name",
        default=_NO_MAIL.sender,
    ),
    Key("port", OrNull(PORT), "`null`: 587 with `starttls`, 465 with `tls`, 25 with `none`"),
    Key(
        "security",
        Choice("starttls", "tls", "none"),
        "`starttls`: encrypted after a greeting, else nothing is sent; `tls`: from the first byte; `none`: not at all",
    ),
    Key("user", OrNull(TEXT), "for the login; `null`: none", limits="together with `password_file`"),
    Key("password_file", OrNull(PATH), f"a file with the password: {_FILE}", limits="together with `user`"),
    _CA_FILE,
    defaults=_NO_MAIL,
)

WEBHOOK = KeyTable(
    Key("url", OrNull(ADDRESSEE), "where the request goes", limits="one of `url`, `url_file`"),
    Key(
        "url_file",
        OrNull(PATH),
        f"a file with the URL, for URLs that are a secret: {_FILE}",
        limits="one of `url`, `url_file`",
    ),
    Key("method", Choice("POST", "PUT", "PATCH"), "of HTTP"),
    Key("headers", MappingOf(HEADER, quoted=True), "headers with their values; no secrets", default={}),
    Key(
        "header_files",
        MappingOf(PATH, quoted=True),
        f"headers whose values are in files, such as `Authorization`: {_FILE}",
        default={},
    ),
    Key(
        "template",
        OrNull(TEMPLATE),
        "the body: keys and values that become JSON, with the notice's [fields](notices.md#webhook) in braces; `null`: "
        "all fields",
    ),
    _PROXY,
    _CA_FILE,
    defaults=_NO_URL,
)

NTFY = KeyTable(
    Key("url", OrNull(ADDRESSEE), "the server and the topic", limits="one of `url`, `url_file`"),
    Key(
        "url_file",
        OrNull(PATH),
        f"a file with the URL, for topics that are a secret: {_FILE}",
        limits="one of `url`, `url_file`",
    ),
    Key("token_file", OrNull(PATH), f"a file with an access token: {_FILE}", limits="not with `user`"),
    Key("user", OrNull(TEXT), "for the login; `null`: none", limits="together with `password_file`"),
    Key("password_file", OrNull(PATH), f"a file with the password: {_FILE}", limits="together with `user`"),
    Key(
        "priority",
        OrNull(WholeNumber(1, 5)),
        "of ntfy; `null`: 4 where a service gave up or the link is down, else 3",
    ),
    Key("tags", ListOf(TAG, most=5), "shown with the message; names of emoji become emoji"),
    Key("click", OrNull(ADDRESSEE), "opened by a tap on the message"),
    _PROXY,
    _CA_FILE,
    defaults=NtfyChannel(),
)

COMMAND = KeyTable(
    Key("program", PATH, "the program; it is started without a shell", needed=True),
    Key("arguments", ListOf(ARGUMENT, most=100), "passed to it as they are", default=_NO_PROGRAM.arguments),
    Key("timeout", Duration(1.0, LONGEST_COMMAND), "when it is killed", default=_NO_PROGRAM.timeout),
)

APPRISE = KeyTable(
    Key("url_file", PATH, f"a file with the URL as apprise has it, which holds secrets: {_FILE}", needed=True),
)


class ChannelKind(NamedTuple):
    """A kind of channel: its keys; ``fields`` names those whose field has another name than the key."""

    settings: type[Channel]
    keys: KeyTable
    help: str
    fields: Mapping[str, str] = {}


CHANNEL_KINDS: Mapping[str, ChannelKind] = {
    "mail": ChannelKind(MailChannel, MAIL, "a mail by SMTP", {"from": "sender"}),
    "webhook": ChannelKind(WebhookChannel, WEBHOOK, "an HTTP request with JSON"),
    "ntfy": ChannelKind(NtfyChannel, NTFY, "a message to a topic of ntfy.sh or of an own server"),
    "command": ChannelKind(CommandChannel, COMMAND, "a program of this machine"),
    "apprise": ChannelKind(AppriseChannel, APPRISE, "what the library apprise reaches; `pip install apprise`"),
}

CHANNEL = KeyTable(
    *(
        Key(word, kind.keys, kind.help, limits="one of the five in each channel")
        for word, kind in CHANNEL_KINDS.items()
    ),
    Key(
        "works_offline",
        FLAG,
        "`true`: it is reached without the internet, as a mail server in the LAN or an SMS modem; it also gets a "
        "notice when the link is OFFLINE and when a service gave up, at once",
        default=ChannelSettings.__struct_defaults__[0],
    ),
)

HEARTBEAT = KeyTable(
    Key(
        "url",
        OrNull(ADDRESSEE),
        "what is pinged, by the protocol of healthchecks.io",
        limits="one of `url`, `url_file`",
    ),
    Key(
        "url_file",
        OrNull(PATH),
        f"a file with the URL, for URLs that are a secret: {_FILE}",
        limits="one of `url`, `url_file`",
    ),
    Key("interval", Duration(SHORTEST_BEAT, LONGEST_BEAT), "the pause between pings, give or take 10 %"),
    _PROXY,
    defaults=HeartbeatSettings(),
)

NOTIFY = KeyTable(
    Key("site", OrNull(TEXT), "the name of this site in subjects; `null`: this host's name"),
    Key(
        "channels",
        MappingOf(CHANNEL),
        "who gets notices, by names that you choose",
        default={},
        limits=f"at most {MOST_CHANNELS}",
    ),
    Key("heartbeat", HEARTBEAT, "a ping while the agent works, so that another machine notices its silence"),
    defaults=NotifySettings(),
)
