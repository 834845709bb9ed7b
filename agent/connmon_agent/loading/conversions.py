"""The ERP's ``system_config.json`` as a ``connmon.yaml`` that means the same."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ..core.plan import ServicePlan
from ..errors import InvariantError
from ..settings import ForwardSettings, Settings
from .configuration import assemble, load_settings
from .connmon_files import read_connmon_file
from .descriptions import list_values
from .documents import parse_document
from .file_paths import PATH
from .keys import ROOT
from .places import PathRules, ProcessContext, choose_state_dir
from .system_keys import SYSTEM_KEYS
from .values import WholeNumber, quote_text

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
    process_context = ProcessContext.of_this_process(environment)
    moved = choose_state_dir(None, None, output, process_context) != settings.state_dir
    text = "\n".join(_list_lines(settings, with_state_dir=moved)) + "\n"
    _check(text, settings, output, process_context)
    return text


def _check(text: str, settings: Settings, output: Path, process_context: ProcessContext) -> None:
    """Raises ConfigurationError, and InvariantError where ``text`` means something else than ``settings``."""
    contents = read_connmon_file(parse_document(text, output), PathRules.of(output, process_context))
    state_dir = choose_state_dir(None, contents.state_dir, output, process_context)
    if assemble(contents, source=settings.source, state_dir=state_dir, warnings=settings.warnings) != settings:
        raise InvariantError("the converted configuration means something else than the original")


def _list_lines(settings: Settings, *, with_state_dir: bool) -> Iterator[str]:
    yield _HEAD.format(source=quote_text(settings.source))
    if with_state_dir:
        yield f"state_dir: {PATH.write(settings.state_dir)}  # where the agent kept its state until now"
    values = list_values(settings)
    for section in ("start", "link", "recovery", "kubernetes"):
        yield from _list_section(section, values[section])
    yield "# ConnectionMonitor.ServicesToMonitor and Kubernetes.PortForwardConfig"
    yield "services:" if settings.plan.services else "services: {}"
    for service in settings.plan.services:
        yield _write_service(service, settings.forwards.get(service.name))
    yield from _list_section("logging", values["logging"])
    yield from _list_left_out(settings)


def _list_section(section: str, values: Mapping[str, Any]) -> Iterator[str]:
    """The keys of ``section`` that the ERP's file has, too, each with that one's name."""
    yield f"{section}:"
    origins = {key.becomes: key.path for key in SYSTEM_KEYS}
    for name, value in values.items():
        if origin := origins.get(f"{section}.{name}"):
            kind = ROOT.find(f"{section}.{name}").type
            unit = f"{kind.unit}; " if isinstance(kind, WholeNumber) and kind.unit else ""
            yield f"  {name}: {kind.write(value)}  # {unit}{origin}"


def _write_service(service: ServicePlan, forward: ForwardSettings | None) -> str:
    if forward is None:
        return f"  {quote_text(service.name)}: {{}}"
    alternatives = ", ".join(map(str, forward.alternatives))
    return f"  {quote_text(service.name)}: {{port: {forward.port}, alternatives: [{alternatives}]}}"


def _list_left_out(settings: Settings) -> Iterator[str]:
    """A comment for each key that has no counterpart. Its value may be another program's, and is not quoted."""
    for usage in settings.usages:
        if usage.unused is not None and usage.key.rpartition(".")[2].lower() not in _CARRIED_OVER:
            yield f"# not carried over: {quote_text(usage.key)} ({_on_one_line(usage.unused)})"


def _on_one_line(text: str) -> str:
    return " ".join(text.split())
