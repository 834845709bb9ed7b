"""A site inside the machine: a Kubernetes API with the ERP's seven services, and an internet of three addresses.

Run with the agent's own Python, whose package brings the API. Both have fixed ports, so that they are there again after
a reboot. The internet is cut with nftables, from outside of this program.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from connmon_agent.loading.configuration import built_in_settings
from connmon_lab.kubernetes import EmbeddedKubernetes, Timing, manifests

API_PORT = 6443
INTERNET = (7001, 7002, 7003)
DAY = 86_400.0  # seconds; the services were rolled out yesterday, or the agent would find them restarted just now


async def _accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


async def main(kubeconfig: Path) -> None:
    """Serve until the end."""
    import time

    behind = DAY
    api = EmbeddedKubernetes(pace=Timing(ready_after=0.2), port=API_PORT, now=lambda: time.time() - behind, token="x1")
    for service in built_in_settings(Path("/nowhere")).plan.services:
        if api.get("Namespace", "", service.namespace) is None:
            api.create(manifests.namespace(service.namespace))
        api.create(manifests.deployment(service.workload, service.namespace))
        api.create(manifests.service(service.workload, service.namespace))
    async with api:
        while not all(found["status"].get("availableReplicas") for found in api.list_objects("Deployment")):
            await asyncio.sleep(0.05)
        behind = 0.0
        kubeconfig.parent.mkdir(parents=True, exist_ok=True)
        api.write_kubeconfig(kubeconfig)
        for port in INTERNET:
            await asyncio.start_server(_accept, "127.0.0.1", port)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
