from __future__ import annotations

import os
import sys

import pytest

from connmon_agent.probes.proxies import choose_proxy
from connmon_agent.probes.system_proxies import SOURCE, name_system_proxy
from connmon_agent.windows_api.internet_settings import KEY, InternetSettings, read_settings

NAMES = ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")


@pytest.fixture(autouse=True)
def no_proxy_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)


def named(scheme: str, host: str, server: str, override: str = "") -> str | None:
    found = name_system_proxy(scheme, host, os.environ, lambda: InternetSettings(server, override))
    assert found is None or found[0] == SOURCE
    return found[1] if found else None


@pytest.mark.parametrize(
    ("server", "http", "https"),
    [
        ("proxy:8080", "proxy:8080", "proxy:8080"),
        ("http://proxy:8080", "http://proxy:8080", "http://proxy:8080"),
        ("http=a:1;https=b:2;ftp=c:3;socks=d:4", "a:1", "b:2"),
        ("HTTP=a:1 https=b:2", "a:1", "b:2"),
        ("http=a:1", "a:1", None),
        ("socks=d:4", None, None),
        ("", None, None),
    ],
)
def test_one_proxy_or_one_for_each_scheme(server: str, http: str | None, https: str | None) -> None:
    assert named("http", "example.com", server) == http
    assert named("https", "example.com", server) == https


@pytest.mark.parametrize(
    ("override", "host", "exempt"),
    [
        ("*.corp;<local>", "wiki.corp", True),
        ("*.corp;<local>", "corp", True),
        ("*.corp;<local>", "example.com", False),
        ("<local>", "fe80::1", False),
        ("10.*;192.168.*", "10.1.2.3", True),
        ("10.*;192.168.*", "110.1.2.3", False),
        ("https://*.Example.com", "www.example.COM", True),
        ("example.com", "www.example.com", False),
        ("<-loopback>", "127.0.0.1", True),  # this machine is never asked through a proxy
        ("", "localhost", True),
    ],
)
def test_hosts_that_need_none(override: str, host: str, exempt: bool) -> None:
    assert (named("http", host, "proxy:8080", override) is None) == exempt


@pytest.mark.parametrize("name", NAMES)
def test_what_the_environment_names_comes_first_and_its_exceptions_too(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "http://other:3128")
    monkeypatch.setenv("NO_PROXY", "example.com")
    assert named("http", "example.com", "proxy:8080") is None


def test_without_settings_there_is_none() -> None:
    assert name_system_proxy("http", "example.com", os.environ, lambda: None) is None


def test_another_environment_than_the_agents_own_has_no_settings() -> None:
    assert name_system_proxy("http", "example.com", {}, lambda: InternetSettings("proxy:8080")) is None


@pytest.mark.skipif(sys.platform != "win32", reason="reads the registry")
def test_what_is_set_in_windows_is_used_by_a_probe_at_once() -> None:
    if sys.platform == "win32":
        import winreg

        with winreg.CreateKey(winreg.HKEY_CURRENT_USER, KEY) as key:
            if read_settings() is not None:
                pytest.skip("this user has a proxy, which is left alone")
            winreg.SetValueEx(key, "ProxyServer", 0, winreg.REG_SZ, "proxy.corp:8080")
            winreg.SetValueEx(key, "ProxyEnable", 0, winreg.REG_DWORD, 1)
            try:
                proxy = choose_proxy(None, "example.com", 80, os.environ, secure=False)
                assert str(proxy) == "proxy.corp:8080"
            finally:
                winreg.SetValueEx(key, "ProxyEnable", 0, winreg.REG_DWORD, 0)
                winreg.DeleteValue(key, "ProxyServer")
        assert choose_proxy(None, "example.com", 80, os.environ, secure=False) is None
