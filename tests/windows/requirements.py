"""What of pyproject.toml the tests need on Windows, one a line; ``check``: exit code 1 where one is missing."""

from __future__ import annotations

import sys
import tomllib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

# What click and pytest need on Windows, which pip does not see when it installs for another platform than its own.
THERE = ["colorama>=0.4.6", "tzdata>=2024.1"]


def requirements() -> list[str]:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))
    return [*project["project"]["dependencies"], *project["dependency-groups"]["test"], *THERE]


def is_installed(requirement: str) -> bool:
    try:
        from packaging.requirements import Requirement

        wanted = Requirement(requirement)
        return wanted.specifier.contains(version(wanted.name))
    except (ImportError, PackageNotFoundError):
        return False


if __name__ == "__main__":
    if sys.argv[1:] == ["check"]:
        sys.exit(not all(is_installed(requirement) for requirement in requirements()))
    print("\n".join(requirements()))
