"""What the global options ask for, and what follows from them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import ConnmonError, Disabled
from ..files import read_file
from ..store import DATABASE_FILE

if TYPE_CHECKING:
    from ..settings import Settings


@dataclass(frozen=True, slots=True)
class Invocation:
    """One call of the command line. ``config_path`` and ``state_dir`` are None where the option was not given."""

    config_path: Path | None = None
    state_dir: Path | None = None
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ)

    def settings(self) -> Settings:
        """The configuration in force, with ``--state-dir`` over what it says. Raises ConfigurationError."""
        # Reading a configuration costs more than all that `status` does, and most calls of `status` need none.
        from ..loading.configuration import load_settings

        return load_settings(self.config_path, state_dir=self.state_dir, environment=self.environment)

    def settings_to_start(self) -> Settings:
        """Like ``settings``, for whoever starts an agent. Raises Disabled where the configuration says not to."""
        settings = self.settings()
        if not settings.start.enabled:
            message = f"{settings.source}: {name_start_key(settings, 'enabled')} is false, so the agent is not started"
            raise Disabled(message, hint="Set it to true to start the agent")
        return settings

    def system_config(self) -> Path:
        """The ERP's file: that of ``--config``, else ``config/system_config.json`` in the working directory.

        Raises ConnmonError where there is none.
        """
        from ..loading.places import ERP_FILE  # not for --help

        if self.config_path is not None and self.config_path.suffix.lower() == ".json":
            return self.config_path
        if not ERP_FILE.exists():
            hint = "Name the ERP's file, or run the command in the ERP's directory"
            raise ConnmonError(f"{Path.cwd() / ERP_FILE} does not exist", hint=hint)
        return ERP_FILE

    def config_of_this_place(self) -> Path | None:
        """The file of ``--config``, else the one that is found in the working directory; None: neither is there."""
        from ..loading.places import ProcessContext, find_config  # not for --help

        found = self.config_path or find_config(ProcessContext.of_this_process(self.environment))
        return found if found is None or found == self.config_path or not found.is_absolute() else None

    def pinned(self) -> Invocation:
        """The same call, whatever the working directory becomes: with the files that it means now, in full."""
        from ..loading.places import ProcessContext, find_config  # not for --help

        process_context = ProcessContext.of_this_process(self.environment)
        config = self.config_path or find_config(process_context)
        return replace(
            self,
            config_path=None if config is None else Path(os.path.abspath(config)),
            state_dir=None if self.state_dir is None else Path(os.path.abspath(self.state_dir)),
        )

    def arguments(self) -> list[str]:
        """The global options that make the same call in another process with the same environment."""
        options = {"--config": self.config_path, "--state-dir": self.state_dir}
        return [word for name, path in options.items() if path is not None for word in (name, str(path))]

    def config_candidates(self) -> list[Path]:
        """The files that are looked for when ``--config`` is not given, the first one that is there being meant."""
        from ..loading.places import ProcessContext, list_config_candidates  # not for --help

        process_context = ProcessContext.of_this_process(self.environment)
        return [process_context.folder / candidate for candidate in list_config_candidates(process_context)]

    def state_directory(self) -> Path:
        """Where the agent remembers. Of the configuration only the key ``state_dir`` is read, where it is there at all.

        Raises ConfigurationError: the file cannot be read, or this one key cannot.
        """
        if self.state_dir is not None:
            return self.state_dir
        from ..loading.places import ProcessContext, choose_state_dir, find_config  # not for --help

        process_context = ProcessContext.of_this_process(self.environment)
        config = self.config_path or find_config(process_context)
        named = None
        if config is not None and _may_name_state_dir(config):
            from ..loading.state_dirs import find_state_dir  # not for --help

            named = find_state_dir(config, process_context)
        return choose_state_dir(None, named, config, process_context)

    def database(self) -> Path:
        """The state file; it need not exist. Raises ConfigurationError."""
        return self.state_directory() / DATABASE_FILE


def name_start_key(settings: Settings, name: str) -> str:
    """How the file in force calls ``enabled`` or ``autostart``."""
    if not settings.source.lower().endswith(".json"):
        return f"start.{name}"
    return "ConnectionMonitor." + {"enabled": "Enabled", "autostart": "AutoStart"}[name]


_MOST = 1_000_000  # bytes of a configuration; who loads a larger one says so


def _may_name_state_dir(config: Path) -> bool:
    """Whether any line but a comment mentions the key; a file that cannot be read is left to those who explain it."""
    try:
        text = read_file(config, _MOST)
    except OSError:
        return True
    lines = text.replace(b"\0", b"").splitlines()  # UTF-16 has a zero beside each of our letters
    return any(b"state_dir" in line and not line.lstrip().startswith(b"#") for line in lines)
