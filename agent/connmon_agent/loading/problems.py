"""The mistakes found in one file, collected so that a person sees all of them at once."""

from __future__ import annotations

from msgspec import Struct

from ..errors import ConfigurationError, Problem
from .nodes import Node, ScalarNode, show_node
from .places import PathRules

MOST_NAMED = 100  # mistakes; whoever has more has one that repeats itself


class Problems(Struct):
    """A growing list of mistakes in ``file``, which is named as the user named it.

    ``json``: what a remedy tells the user to write is JSON, not YAML. ``warnings`` is what can be used and is probably
    not meant so: a key that is no key of ours but nearly one.
    """

    file: str
    json: bool = False
    found: list[Problem] = []  # the first MOST_NAMED
    count: int = 0  # of all
    warnings: list[Problem] = []
    paths: PathRules | None = None  # what its paths mean; None: nothing reads one

    def add(
        self, message: str, *, line: int | None, key: str = "", value: str | None = None, remedy: str | None = None
    ) -> None:
        """Note one mistake. ``line`` None: the file as a whole."""
        self.count += 1
        if len(self.found) < MOST_NAMED:
            self.found.append(Problem(self.file, line, key, message, value, remedy))

    def warn(self, message: str, *, line: int | None, key: str, remedy: str) -> None:
        """Note what does no harm and is probably a slip."""
        self.warnings.append(Problem(self.file, line, key, message, None, remedy))

    def add_duplicate(self, key: str, node: Node, *, first: int, line: int) -> None:
        """Note a key that was written before, at line ``first``. ``node`` is its value of this time."""
        shown = show_node(node) if isinstance(node, ScalarNode) else None
        self.add(f"duplicate key, first at line {first}", line=line, key=key, value=shown, remedy="keep one of the two")

    def raise_if_any(self) -> None:
        """Raises ConfigurationError with every mistake, once there is one."""
        if self.found:
            raise ConfigurationError(self.found, more=self.count - len(self.found))


def refuse_file(file: str, message: str, *, line: int | None = None, remedy: str | None = None) -> ConfigurationError:
    """The error of a file that cannot be read at all: there is nothing more to find in it."""
    return ConfigurationError([Problem(file, line, "", message, None, remedy)])
