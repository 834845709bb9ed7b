"""The cluster under test: the embedded API as the newest and as the oldest version that is supported, and with
``--cluster`` the real one of CONNMON_TEST_KUBECONFIG, whatever its version is.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.contract.clients import KubernetesClient
from tests.contract.workloads import complete, deployment, template

from connmon_lab.kubernetes import NEWEST, OLDEST, EmbeddedKubernetes, ThreadedKubernetes, Timing


@pytest.fixture(scope="session", params=[NEWEST, OLDEST, pytest.param("real", marks=pytest.mark.cluster)])
def api(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[KubernetesClient]:
    """A client with a fresh namespace, which is deleted afterwards."""
    scratch = tmp_path_factory.mktemp("kubernetes")
    if request.param == "real":
        if "CONNMON_TEST_KUBECONFIG" not in os.environ:
            pytest.skip("the cluster suite needs a kubeconfig in CONNMON_TEST_KUBECONFIG")
        yield from _in_own_namespace(Path(os.environ["CONNMON_TEST_KUBECONFIG"]), scratch)
        return
    pace = Timing(ready_after=0.05, terminate_after=0.5, linger=0.05)
    cluster = EmbeddedKubernetes(pace=pace, version=request.param, etcd_tells_progress=False)  # as the lab's etcd
    with ThreadedKubernetes(cluster) as embedded:
        yield from _in_own_namespace(embedded.write_kubeconfig(scratch / "kubeconfig"), scratch)


def _in_own_namespace(kubeconfig: Path, scratch: Path) -> Iterator[KubernetesClient]:
    client = KubernetesClient(kubeconfig, scratch, f"connmon-contract-{secrets.token_hex(3)}")
    path = f"/api/v1/namespaces/{client.namespace}"
    manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": client.namespace}}
    assert client.request("POST", "/api/v1/namespaces", manifest).code == 201
    try:
        yield client
    finally:
        client.request("DELETE", path)
        client.close()


@pytest.fixture(scope="session")
def still(api: KubernetesClient) -> str:
    """The name of a Deployment whose rollout is complete, which no test changes."""
    deployment(api, "still", template=template("still", annotations={"connmon.io/restart-token": "first"}))
    api.wait("deployments", "still", complete)
    return "still"
