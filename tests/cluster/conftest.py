"""A real cluster, the links to break, and agents that are never left behind."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import pytest
from tests.cluster.agents import AgentProcess, NewAgent
from tests.cluster.site import Json, Namespace, Site
from tests.cluster.workloads import SEVEN, deployment


@pytest.fixture(scope="session")
def site() -> Iterator[Site]:
    """The cluster that the environment names, and this worker's place in front of it."""
    found = Site.of_environment()
    if found is None:
        pytest.skip("the cluster suite needs a kubeconfig in CONNMON_TEST_KUBECONFIG")
    if found.lab and os.geteuid() != 0:
        pytest.skip("CONNMON_TEST_LAB breaks real links, which only root can do")
    if found.place is not None:
        found.place.make()
    yield found
    found.repair()
    if found.place is not None:
        found.place.end()


@pytest.fixture(scope="session")
def site_with_lab(site: Site) -> Site:
    """The same, where links and the API server can be broken. Of the session, so that it skips before all else."""
    if not site.lab:
        pytest.skip("breaking the link or the API server needs the lab's command in CONNMON_TEST_LAB")
    return site


@pytest.fixture
def breakable(site_with_lab: Site) -> Iterator[Site]:
    """What a test may break; whole again after it."""
    yield site_with_lab
    site_with_lab.repair()


@pytest.fixture
def namespace(site: Site) -> Iterator[Namespace]:
    """A namespace of this test's own."""
    with make_namespace(site) as made:
        yield made


@pytest.fixture(scope="session")
def shared_seven(site: Site) -> Iterator[Namespace]:
    """A namespace with the seven deployments, which every test of this worker may restart, and none may break."""
    with make_namespace(site) as made:
        made.apply(*(deployment(name, site.image) for name in SEVEN))
        yield made


@pytest.fixture
def seven(shared_seven: Namespace) -> Namespace:
    """The shared namespace with the seven deployments, all available."""
    shared_seven.until_available()
    return shared_seven


@pytest.fixture(scope="session")
def shared_frontend(site: Site) -> Iterator[Namespace]:
    """A namespace with the one deployment ``frontend``, which is shared in the same way."""
    with make_namespace(site) as made:
        made.apply(deployment("frontend", site.image))
        yield made


@pytest.fixture
def frontend(shared_frontend: Namespace) -> Namespace:
    """The shared namespace with the deployment ``frontend``, available."""
    shared_frontend.until_available()
    return shared_frontend


@contextmanager
def make_namespace(site: Site) -> Iterator[Namespace]:
    """A namespace that is deleted afterwards, with everything whole again."""
    made = Namespace(site, f"connmon-test-{uuid4().hex[:8]}")
    made.create()
    try:
        yield made
    finally:
        site.repair()
        made.delete()


@pytest.fixture
def new_agent(tmp_path: Path) -> Iterator[NewAgent]:
    """Makes agents for services of a namespace; whatever of them still lives after the test is killed."""
    made: list[AgentProcess] = []

    def make(
        namespace: Namespace,
        services: Iterable[str] | Json = SEVEN,
        *,
        kubeconfig: Path | None = None,
        **recovery: object,
    ) -> AgentProcess:
        folder = tmp_path / f"agent-{len(made)}"
        folder.mkdir()
        agent = AgentProcess(namespace, folder, services, kubeconfig=kubeconfig)
        agent.configure("recovery", **recovery)
        made.append(agent)
        return agent

    yield make
    for agent in made:
        agent.bury()
