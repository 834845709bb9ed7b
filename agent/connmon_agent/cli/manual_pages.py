"""Manual pages in roff (man(7)), made from the commands themselves. Pure.

There is no date in them: the same commands make the same pages. Characters beyond ASCII are written as groff's
``\\[uXXXX]``, so that a page reads the same whatever encoding the reader assumes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import click

from ..seals import seal
from .examples import EXAMPLES, PROGRAM

BY = "man"  # the command that seals the pages

_CODE = re.compile(r"`([^`]+)`")
_EXIT_CODES = (
    ("0", "done"),
    ("1", "failed; standard error has the reason and what to do"),
    ("2", "wrong usage, an invalid configuration, or one that disables the agent"),
    ("3", "the agent is not running"),
    ("4", "`replay --verify` found a divergence"),
    ("130", "ended by Ctrl-C"),
)
_FILES = (
    ("./config/connmon.yaml", "the configuration; otherwise:"),
    ("~/.config/connmon-agent/connmon.yaml", "this user's"),
    ("/etc/connmon-agent/connmon.yaml", "the machine's"),
    ("./config/system_config.json", "the ERP's"),
    ("/var/lib/connmon-agent", "the state directory for root; ~/.local/state/connmon-agent for other users"),
)


def make_manual(root: click.Group, version: str) -> dict[str, str]:
    """Each page's text by the name of its file, ``connmon-agent-url.1``."""
    commands = dict(_walk(root, click.Context(root, info_name=PROGRAM, **root.context_settings)))
    texts = {path: "\n".join(_write_page(path, commands, version)) + "\n" for path in commands}
    return {f"{_name_page(path)}.1": seal(text, by=BY, before='.\\" ') for path, text in texts.items()}


Commands = dict[str, tuple[click.Command, click.Context]]


def _walk(command: click.Command, ctx: click.Context) -> Iterator[tuple[str, tuple[click.Command, click.Context]]]:
    yield ctx.command_path, (command, ctx)
    if isinstance(command, click.Group):
        for name in command.list_commands(ctx):
            found = command.get_command(ctx, name)
            if found is not None and not found.hidden:
                yield from _walk(found, click.Context(found, info_name=name, parent=ctx))


def _name_page(path: str) -> str:
    return path.replace(" ", "-")


def _write_page(path: str, commands: Commands, version: str) -> Iterator[str]:
    command, ctx = commands[path]
    page = _name_page(path)
    yield f'.TH "{escape(page.upper())}" 1 "" "{escape(f"{PROGRAM} {version}")}" "User Commands"'
    yield from (".nh", ".ad l")  # names and paths are to be copied: no hyphens, no stretched lines
    yield ".SH NAME"
    yield f"{escape(page)} \\- {escape(_summarise(command))}"
    yield ".SH SYNOPSIS"
    pieces = " ".join(command.collect_usage_pieces(ctx))
    yield f"\\fB{escape(path)}\\fR {escape(pieces)}"
    yield ".SH DESCRIPTION"
    yield from _write_prose(command.help or "")
    yield from _write_options(command, ctx)
    yield from _write_commands(path, commands)
    yield from _write_examples(path)
    if path == PROGRAM:
        yield from _write_table("EXIT STATUS", _EXIT_CODES)
        yield from _write_table("FILES", _FILES)
    yield from _write_related(path, commands)


def _summarise(command: click.Command) -> str:
    text = command.get_short_help_str(limit=1000).rstrip(".")
    return text[:1].lower() + text[1:]


def _write_prose(text: str) -> Iterator[str]:
    """The paragraphs of a help text. One that begins with ``\\b`` keeps its lines, as click has it."""
    for number, paragraph in enumerate(re.split(r"\n\s*\n", text.strip())):
        if number:
            yield ".PP"
        if paragraph.startswith("\b"):
            yield from (".nf", *map(_write_line, paragraph.split("\n")[1:]), ".fi")
        else:
            yield _write_line(" ".join(paragraph.split()))


def _write_options(command: click.Command, ctx: click.Context) -> Iterator[str]:
    options = (parameter for parameter in command.get_params(ctx) if isinstance(parameter, click.Option))
    records = [option.get_help_record(ctx) for option in options]
    yield from _write_table("OPTIONS", [record for record in records if record is not None])


def _write_commands(path: str, commands: Commands) -> Iterator[str]:
    below = [other for other in commands if other.rpartition(" ")[0] == path]
    rows = [(f"{_name_page(other)}(1)", _summarise(commands[other][0])) for other in below]
    yield from _write_table("COMMANDS", rows)


def _write_table(title: str, rows: list[tuple[str, str]] | tuple[tuple[str, str], ...]) -> Iterator[str]:
    if rows:
        yield f".SH {title}"
    for name, text in rows:
        yield ".TP"
        yield f"\\fB{escape(name)}\\fR"
        yield _write_line(" ".join(text.split()))


def _write_examples(path: str) -> Iterator[str]:
    examples = EXAMPLES.get(path.removeprefix(PROGRAM).strip(), ())
    if examples:
        yield from (".SH EXAMPLES", ".nf", *map(_write_line, examples), ".fi")


def _write_related(path: str, commands: Commands) -> Iterator[str]:
    """The page above, and those beside this one."""
    above = path.rpartition(" ")[0]
    related = [other for other in commands if other != path and above and other.rpartition(" ")[0] in (above, "")]
    near = [other for other in related if other == above or above != PROGRAM]
    if near or above:
        yield ".SH SEE ALSO"
        yield escape(", ".join(f"{_name_page(other)}(1)" for other in near or [above]))


def _write_line(text: str) -> str:
    """A line of text in which `code` is bold."""
    parts = _CODE.split(text.strip("\r"))
    line = "".join(f"\\fB{escape(part)}\\fR" if number % 2 else escape(part) for number, part in enumerate(parts))
    return f"\\&{line}" if line.startswith((".", "'")) else line


def escape(text: str) -> str:
    """``text`` as roff prints it: a hyphen that can be copied, and nothing that is a request."""
    text = (
        text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq").replace("`", "\\(ga").replace('"', "\\(dq")
    )
    text = text.replace("^", "\\(ha").replace("~", "\\(ti")
    escaped = "".join(char if char.isascii() else f"\\[u{ord(char):04X}]" for char in text)
    return f"\\&{escaped}" if escaped.startswith(".") else escaped
