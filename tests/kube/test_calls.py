"""Requests from the event loop: what hangs in a thread holds up neither the loop nor the end."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
import yaml
from tests.fakes.virtual_time import until

from connmon_agent.errors import ClusterError
from connmon_agent.kube.calls import Calls
from connmon_agent.kube.client import KubernetesClient
from connmon_agent.kube.plugins import ask_plugin
from connmon_agent.kube.requests import get
from connmon_agent.settings import KubernetesSettings

HANGING = "echo $$ > {pid}; while :; do sleep 1000; done"


def hanging_calls(folder: Path) -> Calls:
    """Calls whose credential plugin hangs, once it has written its number to ``pid``."""
    plugin = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "command": "sh",
        "args": ["-c", HANGING.format(pid=folder / "pid")],
    }
    config = {
        "clusters": [{"name": "a", "cluster": {"server": "http://127.0.0.1:1"}}],
        "users": [{"name": "a", "user": {"exec": plugin}}],
        "contexts": [{"name": "a", "context": {"cluster": "a", "user": "a"}}],
        "current-context": "a",
    }
    (folder / "config").write_text(yaml.safe_dump(config))
    settings = KubernetesSettings(kubeconfig=folder / "config")
    return Calls(KubernetesClient(settings, temp_dir=folder / "keys"), deadline=600.0)


def begun(path: Path) -> bool:
    return path.exists() and bool(path.read_text())


@pytest.mark.linux_alone(reason="processes in /proc")
@pytest.mark.parametrize("requests", [1, 20], ids=["one", "more than there are threads"])
def test_closing_waits_for_no_credential_plugin_and_ends_it(
    tmp_path: Path, requests: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lock under which the plugin runs was once taken on the loop: it stood still for as long as the plugin."""
    monkeypatch.setitem(ask_plugin.__kwdefaults__, "timeout", 1e5)

    async def story() -> None:
        calls = hanging_calls(tmp_path)
        asking = [asyncio.ensure_future(calls.send(get("/api", "APIVersions"))) for _ in range(requests)]
        access = asyncio.ensure_future(calls.access())
        await until(lambda: begun(tmp_path / "pid"))
        await calls.close()
        results = await asyncio.gather(*asking, return_exceptions=True)
        assert all(isinstance(result, ClusterError) and result.delivered is False for result in results)
        assert isinstance((await asyncio.gather(access, return_exceptions=True))[0], ClusterError)
        pid = int((tmp_path / "pid").read_text())
        await until(lambda: not Path(f"/proc/{pid}").exists())
        with pytest.raises(ClusterError, match="was closed"):
            await calls.send(get("/api", "APIVersions"))

    asyncio.run(story())
