"""The ERP's ``system_config.json`` as a ``connmon.yaml`` that means the same."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from ..core.plan import ServicePlan
from ..errors import InvariantError
from ..settings import ForwardSettings, LoggingSettings, Settings
from .configuration import assemble, load_settings
from .connmon_files import read_connmon_file
from .descriptions import quote_text, write_flag, write_path, write_seconds
from .documents import parse_document
from .file_paths import PathRules
from .places import Surroundings, choose_state_dir

_CARRIED_OVER = ("autostart", "mode")  # also where another key keeps them from having an effect
_HEAD = """\
# Written by `connmon-agent config import` from {source}.
# It means the same. Keys that are not here have their defaults; `connmon-agent config show` prints all of them.
"""


def convert_system_config(source: Path, *, output: Path, environment: Mapping[str, str]) -> str:
    """``source`` as the text of a ``connmon.yaml`` at ``output``, from which the same settings are loaded.

    The state directory is named only where ``output`` would have another one by its place.
    Raises ConfigurationError where ``source`` cannot be used, or where our own format refuses what it says.
    """
    settings = load_settings(source, state_dir=None, environment=environment)
    surroundings = Surroundings.of_this_process(environment)
    moved = choose_state_dir(None, None, output, surroundings) != settings.state_dir
    text = "\n".join(_list_lines(settings, with_state_dir=moved)) + "\n"
    _check(text, settings, output, surroundings)
    return text


def _check(text: str, settings: Settings, output: Path, surroundings: Surroundings) -> None:
    """Raises ConfigurationError, and InvariantError where ``text`` means something else than ``settings``."""
    contents = read_connmon_file(parse_document(text, output), PathRules.of(output, surroundings))
    state_dir = choose_state_dir(None, contents.state_dir, output, surroundings)
    if assemble(contents, source=settings.source, state_dir=state_dir, warnings=settings.warnings) != settings:
        raise InvariantError("the converted configuration means something else than the original")


def _list_lines(settings: Settings, *, with_state_dir: bool) -> Iterator[str]:
    yield _HEAD.format(source=quote_text(settings.source))
    if with_state_dir:
        yield f"state_dir: {write_path(settings.state_dir)}  # where the agent kept its state until now"
    start, recovery = settings.start, settings.plan.recovery
    yield "start:"
    yield f"  enabled: {write_flag(start.enabled)}  # ConnectionMonitor.Enabled"
    yield f"  autostart: {write_flag(start.autostart)}  # ConnectionMonitor.AutoStart"
    yield f"  mode: {start.mode}  # ConnectionMonitor.Mode"
    yield "link:"
    yield f"  check_interval: {write_seconds(settings.plan.link.check_interval)}  # ConnectionMonitor.CheckInterval"
    yield "recovery:"
    yield f"  act: {write_flag(recovery.act)}  # Kubernetes.EnableAutoRestart"
    yield f"  max_restart_attempts: {recovery.max_restart_attempts}  # ConnectionMonitor.MaxRestartAttempts"
    yield "kubernetes:"
    yield f"  namespace: {quote_text(settings.kubernetes.namespace)}  # Kubernetes.Namespace"
    yield "# ConnectionMonitor.ServicesToMonitor and Kubernetes.PortForwardConfig"
    yield "services:" if settings.plan.services else "services: {}"
    for service in settings.plan.services:
        yield _write_service(service, settings.forwards.get(service.name))
    yield from _list_logging(settings.logging)
    yield from _list_left_out(settings)


def _write_service(service: ServicePlan, forward: ForwardSettings | None) -> str:
    if forward is None:
        return f"  {quote_text(service.name)}: {{}}"
    alternatives = ", ".join(map(str, forward.alternatives))
    return f"  {quote_text(service.name)}: {{port: {forward.port}, alternatives: [{alternatives}]}}"


def _list_logging(logging: LoggingSettings) -> Iterator[str]:
    yield "logging:"
    yield f"  dir: {write_path(logging.dir)}  # Logging.LogDir"
    yield f"  level: {logging.level}  # Logging.Level"
    yield f"  console: {write_flag(logging.console)}  # Logging.EnableConsoleOutput"
    yield f"  event_log: {write_flag(logging.event_log)}  # Logging.EnableEventLog"
    yield f"  max_file_size: {logging.max_file_size}  # MB; Logging.MaxFileSize"
    yield f"  max_files: {logging.max_files}  # Logging.MaxFiles"


def _list_left_out(settings: Settings) -> Iterator[str]:
    """A comment for each key that has no counterpart. Its value may be another program's, and is not quoted."""
    for usage in settings.usages:
        if usage.unused is not None and usage.key.rpartition(".")[2].lower() not in _CARRIED_OVER:
            yield f"# not carried over: {quote_text(usage.key)} ({_on_one_line(usage.unused)})"


def _on_one_line(text: str) -> str:
    return " ".join(text.split())
