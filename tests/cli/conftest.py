"""A site on loopback, and agents on it that are never left behind."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.fakes.local_sites import LocalAgent, LocalSite

SERVICES = ("web", "db")


@pytest.fixture(scope="package")
def site() -> Iterator[LocalSite]:
    with LocalSite(*SERVICES).running() as running:
        yield running


@pytest.fixture
def agent(site: LocalSite, tmp_path: Path) -> Iterator[LocalAgent]:
    """An agent of two services, which has yet to be started."""
    made = LocalAgent(tmp_path, site.configuration(tmp_path, SERVICES))
    yield made
    made.bury()


@pytest.fixture(scope="package")
def running(site: LocalSite, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAgent]:
    """An agent that tests share; they leave it neither paused nor recovering."""
    folder = tmp_path_factory.mktemp("running")
    shared = LocalAgent(folder, site.configuration(folder, SERVICES))
    with shared.living():
        for name in SERVICES:
            shared.until_service(name, "READY")
        yield shared
