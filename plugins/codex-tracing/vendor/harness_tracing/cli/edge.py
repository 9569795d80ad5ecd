"""What commands get from outside: environment, clock, settings, store; and how they print."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Callable, Optional

import click

from harness_tracing.paths import Home

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from harness_tracing.config import Settings
    from harness_tracing.observe.columns import Line
    from harness_tracing.store import Store

_WHOLE = 1000
WIDTH = 80
"""That of an output whose width nobody knows."""


@dataclass(frozen=True)
class Edge:
    """The outside world of one run of the command line."""

    environ: Mapping[str, str]

    @property
    def settings(self) -> Settings:
        """What is configured, whatever the agent; ConfigError when the configuration is wrong."""
        from harness_tracing import config

        return config.load(self.environ)

    @property
    def home(self) -> Home:
        """Where our files lie; ConfigError when the configuration is wrong."""
        return self.settings.home

    def now_ns(self) -> int:
        """The time now, Unix ns."""
        return time.time_ns()

    @contextmanager
    def store(self, *, readonly: bool = True) -> Iterator[Optional[Store]]:
        """The store, brought up to date first; None when nothing was ever traced."""
        from harness_tracing import worker
        from harness_tracing.cli.checked import check_config
        from harness_tracing.paths import home_of
        from harness_tracing.store import Store

        home = home_of(self.environ)
        check_config(home, self.environ)
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
    from harness_tracing.observe.columns import WIDEST

    with _console_of(edge, pager) as console:
        for part in parts:
            console.print(part, width=min(console.width, WIDEST))


def print_table(edge: Edge, table: Callable[[int], RenderableType]) -> None:
    """Print the table that fits the output's width, which `table` is called with."""
    console = _console(edge)
    console.print(table(console.width))


def print_lines(edge: Edge, lines: Callable[[int], Iterable[Line]], *, pager: bool = False) -> None:
    """Print the lines for the output's width, which `lines` is called with.

    As other output: coloured on a terminal, where long output may go through a pager.
    """
    if not _may_be_coloured(edge):
        from harness_tracing.observe.columns import plain

        click.echo("".join(plain(line) + "\n" for line in lines(_width(edge))), nl=False)
        return
    from rich.text import Text

    with _console_of(edge, pager) as console:
        for line in lines(console.width):
            console.print(Text.assemble(*line), no_wrap=True, overflow="ignore", crop=False)


def _may_be_coloured(edge: Edge) -> bool:
    """Whether rich is to be asked about the terminal; it takes its time to be loaded."""
    forced = (edge.environ.get(name) for name in ("FORCE_COLOR", "TTY_COMPATIBLE"))
    return any(forced) or sys.stdout.isatty()


def _width(edge: Edge) -> int:
    """The width of an output that is no terminal, as rich finds it."""
    told = edge.environ.get("COLUMNS", "")
    if told.isdecimal() and int(told):
        return int(told)
    for stream in (0, 1, 2):
        with suppress(OSError, ValueError):
            return os.get_terminal_size(stream).columns or WIDTH
    return WIDTH


@contextmanager
def _console_of(edge: Edge, pager: bool) -> Iterator[Console]:
    """The output; on a terminal and with `pager` it goes through the user's."""
    console = _console(edge)
    if not (pager and console.is_terminal and sys.stdout.isatty()):
        yield console
        return
    from harness_tracing.cli.pager import Paged

    width, height = console.size
    with Paged(edge.environ, height) as paged:
        yield _console(edge, file=paged, force_terminal=True, width=width)


def _console(edge: Edge, **options: Any) -> Console:
    from rich.console import Console

    return Console(highlight=False, markup=False, emoji=False, _environ=edge.environ, **options)
