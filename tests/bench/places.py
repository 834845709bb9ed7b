"""Where an agent is measured: an internet that breaks on request, and a Kubernetes API."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from tests.bench.agents import Json

from connmon_agent.loading.defaults import PORTS
from connmon_lab.internet import Cut

SEVEN = tuple(PORTS)  # the ERP's services
HUNDRED = tuple(f"deployment-{number:03}" for number in range(100))
NAMESPACE = "connmon-bench"


class Place(Protocol):
    """A place. Whatever ``cut`` broke is whole again after ``mend``, and everything when the place is left."""

    name: str
    targets: list[Json]  # as the configuration names them
    kubeconfig: Path

    def enclose(self, command: Sequence[str]) -> list[str]:
        """The command that runs ``command`` behind the link that breaks."""

    def cut(self, how: Cut) -> None:
        """Break the link to the internet: DROP or REFUSE."""

    def mend(self) -> None:
        """Make the link whole."""

    def deploy(self, names: Sequence[str], *, idle: bool = False) -> None:
        """Have these Deployments, and no others, in NAMESPACE; returns when they are at rest.

        ``idle``: their pods are never scheduled, so that restarts cost the cluster as little as they can.
        """

    def settle(self, names: Sequence[str], *, idle: bool = False) -> None:
        """Wait until the Deployments are rolled out; the ``idle`` ones: given up by their controller."""

    def restart_by_kubectl(self, names: Sequence[str]) -> float | None:
        """Seconds that ``kubectl rollout restart`` needs for one after another; None: there is no kubectl here."""


def configure(place: Place, services: Sequence[str] = (), **link: object) -> Json:
    """A configuration for the place: built-in defaults but for targets, cluster and ``link``'s keys."""
    return {
        "link": {"targets": place.targets, **link},
        "kubernetes": {"kubeconfig": str(place.kubeconfig), "namespace": NAMESPACE},
        "services": {name: {"deployment": name} for name in services},
    }
