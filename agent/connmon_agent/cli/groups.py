"""Groups of commands that import a command only when it is used: `status` must not pay for the Kubernetes client."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from .examples import add_examples
from .failures import translated_errors
from .plugins import as_plugin

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

ARGUMENTS = "connmon.arguments"  # the key in the context's meta of all that stands on the command line


class LazyGroup(click.Group):
    """A group whose commands are named as ``module:attribute``, the module relative to this package.

    A command whose module is not installed does not exist; the others work.
    """

    def __init__(self, *args: Any, lazy: Mapping[str, str], **settings: Any) -> None:
        super().__init__(*args, **settings)
        self._lazy = dict(lazy)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names, in the order of the table, after those added in the ordinary way."""
        return super().list_commands(ctx) + [name for name in self._lazy if self.get_command(ctx, name) is not None]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, imported now; None: there is none of this name."""
        place = self._lazy.get(cmd_name)
        command = super().get_command(ctx, cmd_name) if place is None else _import_command(place)
        if command is not None:
            add_examples(command, cmd_name)
        return command

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Names of commands, which are not imported for it: a shell waits for the answer."""
        from click.shell_completion import CompletionItem  # only where a shell completes

        names = [name for name in (*self.commands, *self._lazy) if name.startswith(incomplete)]
        return [*map(CompletionItem, names), *click.Command.shell_complete(self, ctx, incomplete)]


class RootGroup(LazyGroup):
    """The outermost group: every error of every command passes here, and becomes words and an exit code."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        """Read the options, and do what `--help` and `--version` ask for."""
        with translated_errors(), as_plugin(args):
            context = super().make_context(info_name, list(args), parent, **extra)
            context.meta[ARGUMENTS] = args
            return context

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command that was asked for."""
        with translated_errors(), as_plugin(ctx.meta.get(ARGUMENTS, ())):
            return super().invoke(ctx)


def _import_command(place: str) -> click.Command | None:
    module_name, attribute = place.split(":")
    full_name = f"{__package__}.{module_name}"
    try:
        module = importlib.import_module(full_name)
    except ModuleNotFoundError as error:
        if error.name != full_name:
            raise
        return None
    command: click.Command = getattr(module, attribute)
    return command
