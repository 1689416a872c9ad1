"""Groups whose commands are imported when they are used, so that no command waits for what another one needs."""

import importlib
from collections.abc import Mapping
from typing import Any

import click


class LazyGroup(click.Group):
    """A group with commands that are imported when they are used, besides those that are added in the usual way.

    Args:
        later: name of a command → its module and its line of help, in the order of the help. "module:name" names the
            command in the module, which otherwise is called `command`. The line is written without the command; a
            test compares it with the command's own.
        arguments: as for click.Group.
    """

    def __init__(self, *, later: Mapping[str, tuple[str, str]], **arguments: Any) -> None:
        super().__init__(**arguments)
        self.later = later

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 (click's signature)
        """Names of the commands, in the order in which a new user needs them."""
        return [*(name for name in self.commands if name not in self.later), *self.later]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, imported now."""
        if cmd_name not in self.later:
            return super().get_command(ctx, cmd_name)
        module, _, name = self.later[cmd_name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(module), name or "command")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands, without importing them."""
        own = {name: command.get_short_help_str(limit=200) for name, command in self.commands.items()}
        lines = own | {name: line for name, (_, line) in self.later.items()}
        with formatter.section("Commands"):
            formatter.write_dl([(name, lines[name]) for name in self.list_commands(ctx)])
