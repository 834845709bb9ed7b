"""Calls of connmon-agent as texts show them, held against the commands that there are."""

from __future__ import annotations

import re
import shlex

import click

from connmon_agent.cli import connmon_agent

# A call begins where a shell takes a word as a command, and ends where it goes on to something else.
_CALL = re.compile(
    r"(?:^|\$ |\bsudo |\$\(|[|;&] )(?:/\S*/bin/)?connmon-agent"
    r"(?P<words>(?: (?:\"[^\"]*\"|[^|;&)\"`#])*)?)(?=$|[|;&)\"`#])"
)


def find_calls(line: str) -> list[list[str]]:
    """The words after each ``connmon-agent`` in ``line``, up to a redirection. A usage is no call."""
    return [_split(found["words"]) for found in _CALL.finditer(line) if "[" not in found["words"]]


def _split(text: str) -> list[str]:
    words = shlex.split(text)
    end = next((number for number, word in enumerate(words) if word[0] in "<>" or word[-1:] == ">"), len(words))
    return words[:end]


def find_mistake(words: list[str]) -> str | None:
    """Why connmon-agent does not understand ``words``; None: it does. Nothing is run.

    Words in capitals stand for anything.
    """
    command: click.Command = connmon_agent
    context = click.Context(connmon_agent, info_name="connmon-agent", **connmon_agent.context_settings)
    rest = list(words)
    while True:
        try:
            _, rest, _ = command.make_parser(context).parse_args(rest)
        except click.UsageError as error:
            return f"{' '.join(words)}: {error.message}"
        if not isinstance(command, click.Group) or not rest:
            return None
        name, *rest = rest
        found = command.get_command(context, name)
        if found is None:
            return f"{' '.join(words)}: no command {name}"
        command, context = found, click.Context(found, info_name=name, parent=context)
