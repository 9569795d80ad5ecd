"""What commands get from outside: environment, clock, settings, store; and how they print."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Callable, Optional

import click

from harness_tracing.paths import Home

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from harness_tracing.store import Store

_WHOLE = 1000


@dataclass(frozen=True)
class Edge:
    """The outside world of one run of the command line."""

    environ: Mapping[str, str]

    @property
    def home(self) -> Home:
        """Where our files lie, as configured; ConfigError when the configuration is wrong."""
        from harness_tracing import config

        return config.load(self.environ).home

    def now_ns(self) -> int:
        """The time now, Unix ns."""
        return time.time_ns()

    @contextmanager
    def store(self, *, readonly: bool = True) -> Iterator[Optional[Store]]:
        """The store, brought up to date first; None when nothing was ever traced."""
        from harness_tracing import worker
        from harness_tracing.store import Store

        home = self.home
        for message in worker.sweep(home, self.environ).messages:
            talk(message)
        worker.sweep_in_background(home, self.environ)
        if not home.store.exists():
            yield None
            return
        with Store.open(home.store, readonly=readonly) as store:
            for warning in store.warnings:
                talk(warning)
            yield store


class Group(click.Group):
    """A group of commands whose help tells each one's first sentence whole."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The commands, their sentences wrapped where click would cut them."""
        commands = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        with formatter.section("Commands"):
            formatter.write_dl(
                [(name, one.get_short_help_str(_WHOLE)) for name, one in commands if one]
            )


pass_edge = click.make_pass_decorator(Edge)


def talk(message: str) -> None:
    """Say something to the person at the terminal: stderr, so that data stays clean."""
    from harness_tracing.observe.text import plain

    click.echo(plain(message), err=True)


def confirm(
    question: str, declined: str = "nothing was deleted; --yes deletes without asking"
) -> None:
    """Ask; without a yes the command ends here, with exit code 1 and what `declined` says."""
    from harness_tracing.observe.text import plain

    click.echo(plain(f"{question} [y/N] "), nl=False, err=True)
    answer = sys.stdin.readline()
    if answer.strip().lower() not in ("y", "yes"):
        raise click.ClickException(declined)


def print_json(value: Any) -> None:
    """Print data as JSON, readable for people where the output takes it."""
    from harness_tracing.observe.text import json_text

    encoding = (getattr(sys.stdout, "encoding", None) or "").lower().replace("-", "")
    click.echo(json_text(value, only_ascii=encoding != "utf8"))


def print_tree(edge: Edge, parts: Iterable[RenderableType], *, pager: bool = True) -> None:
    """Print a tree: coloured on a terminal (see NO_COLOR), no wider than reads well.

    On a terminal what is longer than the screen goes through the user's pager, unless not wanted.
    """
    from harness_tracing.observe.rows import WIDEST

    console = _console(edge)
    if not (pager and console.is_terminal and sys.stdout.isatty()):
        for part in parts:
            console.print(part, width=min(console.width, WIDEST))
        return
    from harness_tracing.cli.pager import Paged

    width, height = console.size
    with Paged(edge.environ, height) as paged:
        console = _console(edge, file=paged, force_terminal=True, width=width)
        for part in parts:
            console.print(part, width=min(width, WIDEST))


def print_table(edge: Edge, table: Callable[[int], RenderableType]) -> None:
    """Print the table that fits the output's width, which `table` is called with."""
    console = _console(edge)
    console.print(table(console.width))


def _console(edge: Edge, **options: Any) -> Console:
    from rich.console import Console

    return Console(highlight=False, markup=False, emoji=False, _environ=edge.environ, **options)
