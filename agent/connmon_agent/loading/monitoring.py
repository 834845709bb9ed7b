"""The ``metrics`` section: where metrics and health are served."""

from __future__ import annotations

import re
from ipaddress import ip_address

from ..settings import LOOPBACK, MetricsSettings
from .sections import Section
from .values import Value, described, nullable, read_flag, read_text

_LISTEN = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([^\[\]:]+)):([0-9]{1,5})")
_REMEDY = "write 127.0.0.1:9180, [::1]:9180, or null to serve nothing"


def read_metrics(section: Section) -> MetricsSettings:
    """The section's values, each mistake noted."""
    settings = MetricsSettings(
        listen=section.take("listen", None, nullable(_read_listen)),
        allow_remote=section.take("allow_remote", False, read_flag),
    )
    section.close()
    _check_reach(section, settings)
    return settings


@described({"type": "string"})
def _read_listen(value: Value) -> tuple[str, int]:
    match = _LISTEN.fullmatch(read_text(value))
    if match is None or not 1 <= int(match[3]) <= 65535:
        value.reject("must be an IP address and a port", _REMEDY)
    host = match[1] or match[2]
    if host == "localhost":
        return LOOPBACK[0], int(match[3])
    try:
        address = ip_address(host)
    except ValueError:
        value.reject("must be an IP address and a port", _REMEDY)
    if address.is_multicast:
        value.reject("is a multicast address, on which nothing can listen", _REMEDY)
    return str(address), int(match[3])


def _check_reach(section: Section, settings: MetricsSettings) -> None:
    """Names of workloads and targets, and when the site is down, are not for everybody."""
    if settings.listen is None or ip_address(settings.listen[0]).is_loopback or settings.allow_remote:
        return
    if section.is_sound("listen", "allow_remote"):
        section.report(
            "listen",
            f"{settings.listen[0]} can be reached from other machines, without a password or encryption",
            remedy="write allow_remote: true beside it if that is meant, or listen: 127.0.0.1:9180",
        )
