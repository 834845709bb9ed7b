"""The port ``LinkWatch``: what the operating system says of the way out, and that it may have changed."""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable

from ..ports import LinkWatch
from .netlink import NetlinkWatch, open_socket
from .polling import PollingWatch
from .views import SystemView, read_portably


def open_link_watch(platform: str = sys.platform, *, connect: Callable[[], socket.socket] = open_socket) -> LinkWatch:
    """The best watch that this system has. Never raises: where changes are not told there is a look every second."""
    if sys.platform == "win32" and platform == "win32":
        from ..windows_api import iphlpapi  # Windows alone has it
        from .windows import open_windows_watch

        return open_windows_watch(iphlpapi, iphlpapi.subscribe)
    if platform != "linux":
        return PollingWatch(read_portably)
    view = SystemView()
    try:
        return NetlinkWatch(connect(), view.read)
    except OSError:  # a sandbox, or a seccomp profile, without netlink
        return PollingWatch(view.read)
