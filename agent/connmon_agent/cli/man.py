"""``connmon-agent man``: the manual pages."""

from __future__ import annotations

from pathlib import Path

import click

from .. import __version__
from ..errors import ConnmonError
from .examples import PROGRAM


@click.command(short_help="Write the manual pages.")
@click.argument("directory", required=False, type=click.Path(path_type=Path, file_okay=False))
@click.pass_context
def man(ctx: click.Context, directory: Path | None) -> None:
    """Write a manual page for each command into DIRECTORY; without it, print the page of connmon-agent itself.

    The pages are made from the commands. Pages of an earlier version are replaced, files of another origin are not.
    """
    from .manual_pages import make_manual

    root = ctx.find_root().command
    assert isinstance(root, click.Group)
    pages = make_manual(root, __version__)
    if directory is None:
        click.echo(pages[f"{PROGRAM}.1"], nl=False)
        return
    click.echo(f"Wrote {_install(pages, directory)} of {len(pages)} pages in {directory}; the others were up to date.")


def _install(pages: dict[str, str], directory: Path) -> int:
    """Write what has changed and remove pages of commands that are gone. Returns how many were written.

    Raises ConnmonError where a file of another origin has such a name; then nothing is written.
    """
    from ..generated_files import holds, is_ours, write_file
    from .manual_pages import MARK

    foreign = [name for name in pages if not is_ours(directory / name, MARK)]
    if foreign:
        message = f"{directory} has {', '.join(foreign)} of another origin; nothing was written"
        raise ConnmonError(message, hint="Move them away, or name another directory")
    directory.mkdir(parents=True, exist_ok=True)
    written = 0
    for name, text in pages.items():
        if not holds(directory / name, text.encode()):
            write_file(directory / name, text.encode(), replace=True)
            written += 1
    for path in directory.glob(f"{PROGRAM}*.1"):
        if path.name not in pages and is_ours(path, MARK):
            path.unlink()
    return written
