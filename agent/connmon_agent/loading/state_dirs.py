"""Which state directory a configuration names, whatever else is wrong in it.

A mistake in the file must not keep anybody from asking or pausing the agent that runs by an older version of it.
"""

from __future__ import annotations

import re
from pathlib import Path

from ..errors import ConfigurationError
from .documents import decode_text, read_bytes
from .file_paths import PATH
from .nodes import MappingNode, Node
from .places import PathRules, ProcessContext
from .problems import Problems
from .sections import Section
from .values import OrNull
from .yaml_nodes import parse_yaml

_KEY = re.compile(r"""(["']?)state_dir\1\s*:""")


def find_state_dir(config: Path, process_context: ProcessContext) -> Path | None:
    """The state directory that the file names; None: it names none, as no ``system_config.json`` does.

    Raises ConfigurationError where the file cannot be read, where this one key holds a mistake, and where the file is
    so broken that nobody can tell whether it has the key.
    """
    data = read_bytes(config)
    if config.suffix.lower() == ".json":
        return None
    problems = Problems(str(config), paths=PathRules.of(config, process_context))
    root = _parse(data, problems.file)
    section = Section(problems, "", root if isinstance(root, MappingNode) else None)
    found = section.take("state_dir", None, OrNull(PATH).read)
    problems.raise_if_any()
    return found


def _parse(data: bytes, file: str) -> Node | None:
    """The document; where it is none, the line of the key alone. Raises ConfigurationError."""
    try:
        return parse_yaml(decode_text(data, file), Problems(file))
    except ConfigurationError:
        lines = data.decode(errors="replace").splitlines()
        number = next((number for number, line in enumerate(lines) if _KEY.match(line)), None)
        if number is None or "\ufffd" in lines[number]:
            raise
        return parse_yaml("\n" * number + lines[number], Problems(file))  # the mistakes in it keep their line
