"""The proxy of Windows' settings (Network & Internet, Proxy), which browsers and Invoke-WebRequest use."""

from __future__ import annotations

import contextlib
import sys
from dataclasses import dataclass

KEY = r"Software\Microsoft\Windows\CurrentVersion\Internet Settings"


@dataclass(frozen=True, slots=True)
class InternetSettings:
    """What is set by hand, as Windows keeps it: one proxy or one for each scheme, and the hosts that need none."""

    server: str
    override: str = ""


def read_settings() -> InternetSettings | None:
    """The settings of this user; None: no proxy is set by hand, or this is no Windows.

    A script that finds the proxy (AutoConfigURL) is not run.
    """
    if sys.platform != "win32":
        return None
    import winreg  # Windows alone has it

    found: dict[str, object] = {}
    try:
        with winreg.OpenKey(winreg.HKEY_CURRENT_USER, KEY) as key:
            for name in ("ProxyEnable", "ProxyServer", "ProxyOverride"):
                with contextlib.suppress(FileNotFoundError):
                    found[name] = winreg.QueryValueEx(key, name)[0]
    except OSError:
        return None
    server = str(found.get("ProxyServer") or "").strip()
    if not server or not found.get("ProxyEnable"):
        return None
    return InternetSettings(server, str(found.get("ProxyOverride") or ""))
