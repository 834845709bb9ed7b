"""``connmon-agent man``: the manual pages."""

from __future__ import annotations

from pathlib import Path

import click

from .. import __version__
from .examples import PROGRAM
from .outputs import echo_data


@click.command(short_help="Write the manual pages.")
@click.argument("directory", required=False, type=click.Path(path_type=Path, file_okay=False))
@click.option("--force", is_flag=True, help="Overwrite pages that were edited.")
@click.pass_context
def man(ctx: click.Context, directory: Path | None, force: bool) -> None:
    """Write a manual page for each command into DIRECTORY. Without DIRECTORY, print the page of connmon-agent.

    Pages of an earlier version are replaced; files from another source are not.
    """
    from .manual_pages import make_manual  # not for --help

    root = ctx.find_root().command
    assert isinstance(root, click.Group)
    pages = make_manual(root, __version__)
    if directory is None:
        echo_data(pages[f"{PROGRAM}.1"])
        return
    written = _install(pages, directory, force=force)
    click.echo(f"Wrote {written} of {len(pages)} pages in {directory}; the others were up to date.")


def _install(pages: dict[str, str], directory: Path, *, force: bool) -> int:
    """Write what has changed and remove pages of commands that are gone. Returns how many were written.

    Raises ConnmonError where a file of another origin, or an edited page and not ``force``, has such a name; then
    nothing is written.
    """
    from ..generated_files import find_owner, holds, refuse_others, write_file  # not for --help
    from ..seals import Ownership
    from .manual_pages import BY

    refuse_others([directory / name for name in pages], by=BY, force=force)
    directory.mkdir(parents=True, exist_ok=True)
    written = 0
    for name, text in pages.items():
        if not holds(directory / name, text.encode()):
            write_file(directory / name, text.encode(), replace=True)
            written += 1
    for path in directory.glob(f"{PROGRAM}*.1"):
        if path.name not in pages and find_owner(path, by=BY) is Ownership.OURS:
            path.unlink()
    return written
