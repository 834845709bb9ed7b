"""What a monitoring system may rely on when it runs a command as a plugin: four exit codes, and one line on stdout."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import click
from click.exceptions import Exit

UNKNOWN = 3  # the exit code of a plugin that could not find out
FLAG = "--check"


@contextmanager
def as_plugin(arguments: Sequence[str]) -> Iterator[None]:
    """Where ``arguments`` ask for a plugin: wrong usage and --help end with UNKNOWN, as 1 and 2 are alarms.

    --help ends with ``Exit(0)``; a command whose state is well returns, which click makes 0 of.
    """
    if FLAG not in arguments:
        yield
        return
    try:
        yield
    except click.UsageError as error:
        error.show()
        raise Exit(UNKNOWN) from error
    except Exit as end:
        raise Exit(end.exit_code or UNKNOWN) from end
