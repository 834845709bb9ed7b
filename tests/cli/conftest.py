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
