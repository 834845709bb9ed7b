"""A directory that every user may look into: pytest's own are private."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def public_directory() -> Iterator[Path]:
    directory = Path(tempfile.mkdtemp(prefix="connmon-test-"))
    directory.chmod(0o755)
    yield directory
    directory.chmod(0o755)
    shutil.rmtree(directory)
