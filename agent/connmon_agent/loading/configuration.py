"""Loading the configuration: which file is meant, what it says, and where the state is kept."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from msgspec.structs import replace

from ..core.plan import Plan
from ..errors import Problem
from ..settings import BUILT_IN, KeyUsage, Settings
from .connmon_files import read_connmon_file
from .defaults import DEFAULTS, Contents
from .documents import read_document
from .places import PathRules, ProcessContext, choose_state_dir, find_config
from .system_configs import read_system_config


def load_settings(path: Path | None, *, state_dir: Path | None, environment: Mapping[str, str]) -> Settings:
    """The checked configuration of ``path``, a ``.json`` file being the ERP's ``system_config.json``.

    ``path`` None: the first of ``places.list_config_candidates`` that is there, else the built-in defaults.
    ``state_dir`` None: the file's, else the rules of ``places.choose_state_dir``. Touches neither the network nor the
    state directory. Raises ConfigurationError with every mistake of the file.
    """
    process_context = ProcessContext.of_this_process(environment)
    config = path if path is not None else find_config(process_context)
    contents = DEFAULTS if config is None else _read_contents(config, process_context)
    if state_dir is not None:
        contents = replace(contents, usages=tuple(map(_overrule_state_dir, contents.usages)))
    return assemble(
        contents,
        source=BUILT_IN if config is None else str(config),
        state_dir=choose_state_dir(state_dir, contents.state_dir, config, process_context),
    )


def _overrule_state_dir(usage: KeyUsage) -> KeyUsage:
    return replace(usage, unused="--state-dir goes before it") if usage.key == "state_dir" else usage


def built_in_settings(state_dir: Path) -> Settings:
    """The built-in defaults, whatever files there are on this machine."""
    return assemble(DEFAULTS, source=BUILT_IN, state_dir=state_dir)


def assemble(
    contents: Contents, *, source: str, state_dir: Path, warnings: tuple[Problem, ...] | None = None
) -> Settings:
    """The settings that ``contents`` are. ``warnings`` None: those of ``contents``."""
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
        metrics=contents.metrics,
        web=contents.web,
        journal=contents.journal,
        notify=contents.notify,
        stop_timeout=contents.stop_timeout,
        start=contents.start,
        state_group=contents.state_group,
        warnings=contents.warnings if warnings is None else warnings,
        usages=contents.usages,
    )


def _read_contents(config: Path, process_context: ProcessContext) -> Contents:
    document, rules = read_document(config), PathRules.of(config, process_context)
    read = read_system_config if config.suffix.lower() == ".json" else read_connmon_file
    return read(document, rules)
