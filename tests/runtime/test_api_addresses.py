"""Where the API server listens, by a kubeconfig that comes, changes and goes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.fakes.kube_sites import write_kubeconfig

from connmon_agent.runtime.api_addresses import ApiAddress, api_target
from connmon_agent.settings import ApiTarget, KubernetesSettings


@pytest.mark.parametrize(
    ("server", "target"),
    [
        ("https://192.0.2.1:6443", ApiTarget("192.0.2.1", 6443, "api 192.0.2.1:6443")),
        ("https://[2001:db8::1]:6443", ApiTarget("2001:db8::1", 6443, "api [2001:db8::1]:6443")),
        ("https://api.example/k8s", ApiTarget("api.example", 443, "api api.example:443")),
        ("http://127.0.0.1:8001", ApiTarget("127.0.0.1", 8001, "api 127.0.0.1:8001")),
        ("https://192.0.2.1:99999", None),
        ("unix:///run/api", None),
        ("", None),
    ],
)
def test_the_address_is_that_of_the_url(server: str, target: ApiTarget | None) -> None:
    assert api_target(server) == target


def test_a_kubeconfig_that_changes_is_followed(tmp_path: Path) -> None:
    path = tmp_path / "config"
    address = ApiAddress(KubernetesSettings(kubeconfig=path))
    assert address.find() is None, "it does not exist yet"
    write_kubeconfig(path, "https://192.0.2.1:6443")
    assert address.find() == ApiTarget("192.0.2.1", 6443, "api 192.0.2.1:6443")
    write_kubeconfig(path, "https://192.0.2.22:6443")
    assert address.find() == ApiTarget("192.0.2.22", 6443, "api 192.0.2.22:6443")
    path.write_text("{")
    assert address.find() is None
    path.unlink()
    assert address.find() is None


def test_a_kubeconfig_is_read_once_while_it_stays_the_same(tmp_path: Path) -> None:
    path = write_kubeconfig(tmp_path / "config", "https://192.0.2.1:6443")
    address, about = ApiAddress(KubernetesSettings(kubeconfig=path)), path.stat()
    first = address.find()
    path.write_text(path.read_text().replace("192.0.2.1", "192.0.2.9"))
    os.utime(path, ns=(about.st_atime_ns, about.st_mtime_ns))
    assert address.find() == first


def test_an_api_behind_a_proxy_is_not_probed(tmp_path: Path) -> None:
    proxied = {"proxy-url": "http://192.0.2.3:3128"}
    path = write_kubeconfig(tmp_path / "config", "https://192.0.2.1:6443", cluster=proxied)
    assert ApiAddress(KubernetesSettings(kubeconfig=path)).find() is None


def test_the_library_is_not_loaded_for_it(tmp_path: Path) -> None:
    path = write_kubeconfig(tmp_path / "config", "https://192.0.2.1:6443")
    code = (
        "import sys; from pathlib import Path; from connmon_agent.runtime.api_addresses import ApiAddress; "
        "from connmon_agent.settings import KubernetesSettings; "
        f"assert ApiAddress(KubernetesSettings(kubeconfig=Path({str(path)!r}))).find(); "
        "print([name for name in sys.modules if name.split('.')[0] in ('kubernetes', 'urllib3')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("server", "insecure", "unverified"),
    [
        ("https://192.0.2.1:6443", True, "https://192.0.2.1:6443"),
        ("https://192.0.2.1:6443", False, None),
        ("http://127.0.0.1:8001", True, None),
    ],
)
def test_a_server_whose_certificate_is_not_verified_is_known(
    tmp_path: Path, server: str, insecure: bool, unverified: str | None
) -> None:
    path = write_kubeconfig(tmp_path / "config", server, cluster={"insecure-skip-tls-verify": insecure})
    address = ApiAddress(KubernetesSettings(kubeconfig=path))
    address.find()
    assert address.unverified == unverified
    path.unlink()
    address.find()
    assert address.unverified is None
