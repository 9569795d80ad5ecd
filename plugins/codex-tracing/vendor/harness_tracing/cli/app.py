"""The root command. Commands are imported when they are used, so that each starts fast."""

from __future__ import annotations

import errno
import os
import sys
from contextlib import suppress
from importlib import import_module
from typing import Any, Optional

import click

from harness_tracing.cli.edge import Group
from harness_tracing.errors import FilterError, TracerError

_COMMANDS = {
    "agents": ("harness_tracing.cli.agents", "agents"),
    "ai-integrations": ("harness_tracing.cli.integrations", "ai_integrations"),
    "annotate": ("harness_tracing.cli.annotate", "annotate"),
    "bootstrap": ("harness_tracing.cli.installation", "bootstrap"),
    "completion": ("harness_tracing.cli.completion", "completion"),
    "config": ("harness_tracing.cli.config", "config_"),
    "demo": ("harness_tracing.cli.demo", "demo"),
    "disable": ("harness_tracing.cli.scoping", "disable"),
    "doctor": ("harness_tracing.cli.doctor", "doctor"),
    "enable": ("harness_tracing.cli.scoping", "enable"),
    "evaluators": ("harness_tracing.cli.evaluators", "evaluators"),
    "exec": ("harness_tracing.cli.exec", "exec_"),
    "extra": ("harness_tracing.cli.updating", "extra"),
    "flush": ("harness_tracing.cli.flush", "flush"),
    "hook-command": ("harness_tracing.cli.installation", "hook_command"),
    "import": ("harness_tracing.cli.history", "import_"),
    "improve": ("harness_tracing.cli.improve", "improve"),
    "install": ("harness_tracing.cli.registration", "install"),
    "outbox": ("harness_tracing.cli.outbox", "outbox"),
    "plugin-path": ("harness_tracing.cli.plugin_path", "plugin_path"),
    "projects": ("harness_tracing.cli.projects", "projects"),
    "prune": ("harness_tracing.cli.sessions", "prune"),
    "search": ("harness_tracing.cli.search", "search"),
    "setup": ("harness_tracing.cli.setup", "setup"),
    "sessions": ("harness_tracing.cli.sessions", "sessions"),
    "skills": ("harness_tracing.cli.skills", "skills"),
    "spans": ("harness_tracing.cli.spans", "spans"),
    "stats": ("harness_tracing.cli.stats", "stats"),
    "status": ("harness_tracing.cli.status", "status"),
    "tail": ("harness_tracing.cli.tail", "tail"),
    "tasks": ("harness_tracing.cli.tasks", "tasks"),
    "uninstall": ("harness_tracing.cli.removal", "uninstall"),
    "update": ("harness_tracing.cli.updating", "update"),
}


class Harness(Group):
    """The group of all commands, and where errors become one line on stderr."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names of all commands, for `--help`."""
        return sorted(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> Optional[click.Command]:
        """The command of that name, imported now."""
        if cmd_name not in _COMMANDS:
            return None
        module, attribute = _COMMANDS[cmd_name]
        command: click.Command = getattr(import_module(module), attribute)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; an error of ours is shown without a traceback, with exit code 1.

        What somebody asked for in words that are not understood is wrong usage, with exit code 2.
        """
        from harness_tracing.observe.text import first_line

        try:
            return super().invoke(ctx)
        except FilterError as error:
            raise click.UsageError(first_line(str(error))) from error
        except OSError as error:
            if error.errno == errno.EPIPE or error.filename is not None:
                raise
            _silence()  # or Python tries once more to write what is left
            raise click.ClickException(f"the output cannot be written: {error.strerror}") from error
        except TracerError as error:
            raise click.ClickException(first_line(str(error))) from error


def _silence() -> None:
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _version(ctx: click.Context, _parameter: click.Parameter, asked: bool) -> None:
    if asked and not ctx.resilient_parsing:
        from harness_tracing import __version__

        click.echo(f"harness {__version__}")
        ctx.exit()


@click.group(cls=Harness, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_version,
    help="Show the version and exit.",
)
def harness() -> None:
    """See what a coding agent did: its sessions, from the local store.

    Data goes to stdout, everything else to stderr. Exit codes: 0 ok, 1 a problem was found,
    2 wrong usage.
    """
