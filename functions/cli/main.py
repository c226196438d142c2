"""The ``museum`` command."""

from __future__ import annotations

import importlib
from typing import Any

import click

from functions.cli.common import INTERRUPTED, printable
from functions.errors import MuseumError

COMMANDS = {
    "up": "stack",
    "down": "stack",
    "status": "stack",
    "logs": "stack",
    "env": "stack",
    "import": "importing",
    "search": "searching",
    "demo": "demo",
    "reconcile": "reconcile",
    "calibrate": "calibrate",
    "evaluate": "evaluate",
    "models": "models",
    "tokens": "tokens",
    "forget": "forgetting",
}
"""Command → module of this package, loaded when it is used: ``museum --help`` shows at once."""


class Lazy(click.Group):
    """A group whose commands are imported when they are asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All commands, in the order of a day."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """One command."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"functions.cli.{COMMANDS[cmd_name]}")
        command: click.Command = getattr(module, f"{cmd_name}_command")
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; a server that is down is a sentence, not a traceback."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            click.echo("interrupted; what was done stays, the same command goes on from there", err=True)
            ctx.exit(INTERRUPTED)
        except MuseumError as error:
            raise click.ClickException(f"{printable(str(error))}; `museum status` and `museum logs` show more") from error


@click.group(cls=Lazy, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="museum-search")
def museum() -> None:
    """Visual search for museum collections: an upload to S3 finds the ten most similar catalogued objects.

    \b
    Examples:
      museum up --detach                                 start everything on this machine
      museum import catalogue.csv --images photos/       make a catalogue findable
      museum search vase.jpg                             the ten most similar objects
      museum down                                        stop; what was stored stays

    Shell completion: eval "$(_MUSEUM_COMPLETE=bash_source museum)"
    """


if __name__ == "__main__":
    museum()
