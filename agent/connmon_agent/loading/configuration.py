"""Loading the configuration: which file is meant, what it says, and where the state is kept."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ..core.plan import Plan
from ..settings import BUILT_IN, Settings
from .connmon_files import read_connmon_file
from .defaults import DEFAULTS, Contents
from .documents import read_document
from .places import Surroundings, base_of, choose_state_dir, find_config
from .system_configs import read_system_config


def load_settings(path: Path | None, *, state_dir: Path | None, environment: Mapping[str, str]) -> Settings:
    """The checked configuration of ``path``, a ``.json`` file being the ERP's ``system_config.json``.

    ``path`` None: ``./config/connmon.yaml``, else the platform's file, else the built-in defaults. ``state_dir`` None:
    the file's, else the rules of ``places.choose_state_dir``. Touches neither the network nor the state directory.
    Raises ConfigurationError with every mistake of the file.
    """
    surroundings = Surroundings.of_this_process(environment)
    config = path if path is not None else find_config(surroundings)
    contents = DEFAULTS if config is None else _read_contents(config, surroundings)
    return _assemble(
        contents,
        source=BUILT_IN if config is None else str(config),
        state_dir=choose_state_dir(state_dir, contents.state_dir, config, surroundings),
    )


def built_in_settings(state_dir: Path) -> Settings:
    """The built-in defaults, whatever files there are on this machine."""
    return _assemble(DEFAULTS, source=BUILT_IN, state_dir=state_dir)


def _assemble(contents: Contents, *, source: str, state_dir: Path) -> Settings:
    return Settings(
        source=source,
        state_dir=state_dir,
        plan=Plan(contents.link, contents.recovery, contents.service_plans),
        targets=contents.targets,
        timeout=contents.timeout,
        kubernetes=contents.kubernetes,
        forwards=dict(contents.forwards),
        forwarding=contents.forwarding,
        logging=contents.logging,
        stop_timeout=contents.stop_timeout,
        state_group=contents.state_group,
        warnings=contents.warnings,
    )


def _read_contents(config: Path, surroundings: Surroundings) -> Contents:
    document = read_document(config)
    if config.suffix.lower() == ".json":
        folder = (surroundings.folder / config).parent
        return read_system_config(document, folder=folder, platform=surroundings.platform)
    return read_connmon_file(document, base=base_of(config, surroundings.folder), home=surroundings.home)
