"""One machine for all tests of this folder, which are one story and run in the order in which they stand."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.machine.machines import Machine, find_command

from connmon_agent import __version__

ROOT = Path(__file__).parents[2]
SOURCES = ("agent", "config", "statecharts", "pyproject.toml", "setup.cfg", "README.md", "LICENSE")
PYTHON = "3.11"  # of Debian 12, which is what runs inside
OLDER, NEWER = "0.0.1", "0.0.2"  # the versions of this commit and of the one that is upgraded to


@pytest.fixture(scope="session")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """This checkout and a newer one as wheels, with all that they need."""
    folder = tmp_path_factory.mktemp("wheels")
    for version in (OLDER, NEWER):
        source = tmp_path_factory.mktemp("source")  # pip leaves what it builds beside it
        for name in SOURCES:
            copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
            copy(ROOT / name, source / name)
        _set_version(source, version)
        pip("wheel", "--no-deps", "--wheel-dir", str(folder), str(source))
    ours = next(folder.glob(f"connmon_agent-{OLDER}-*.whl"))
    pip("download", "--only-binary=:all:", "--python-version", PYTHON, "--dest", str(folder), f"{ours}[demo]")
    return folder


def _set_version(source: Path, version: str) -> None:
    for path in (source / "pyproject.toml", source / "agent/connmon_agent/__init__.py"):
        text = path.read_text(encoding="utf-8")
        assert text.count(f'"{__version__}"') == 1, f"the version stands elsewhere in {path.name}"
        path.write_text(text.replace(f'"{__version__}"', f'"{version}"'), encoding="utf-8")


def pip(*words: str) -> None:
    subprocess.run([sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *words], check=True)


@pytest.fixture(scope="session")
def machine(wheels: Path) -> Iterator[Machine]:
    """A machine that has just been booted, with the wheels in it and a site to watch."""
    command = find_command()
    assert isinstance(command, Path)  # else it was skipped
    made = Machine(command)
    made.down()
    obstacle = made.up()
    if obstacle is not None:
        pytest.skip(f"the machine cannot be booted here: {obstacle}")
    try:
        made.put(wheels, "/root/wheels")
        made.put(Path(__file__).parent, "/root/machine")
        yield made
    finally:
        made.down()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what needs a machine where there is none, with the reason."""
    command = find_command()
    if isinstance(command, str):
        for item in items:
            if item.get_closest_marker("machine"):
                item.add_marker(pytest.mark.skip(reason=command))
