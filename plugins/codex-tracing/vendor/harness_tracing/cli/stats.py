"""`harness stats`: what the agents did and what that cost, added up."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Optional

import click

from harness_tracing.cli.edge import Edge, pass_edge, print_json, talk
from harness_tracing.cli.parameters import agent_name, since_ns

if TYPE_CHECKING:
    from harness_tracing.store import TurnChoice, UsageRow

_PICTURES = (".svg", ".png")
_WIDTH = 80


@click.command()
@click.option(
    "--by",
    multiple=True,
    type=click.Choice(["day", "project", "agent", "model", "tool", "evaluator"]),
    help="In groups; may be given several times.",
)
@click.option(
    "--evaluations",
    is_flag=True,
    help="How often evaluators were content: --by evaluator, and by day without --by.",
)
@click.option("--agent", callback=agent_name, help="Only turns of this agent.")
@click.option("--project", help="Only turns of this project.")
@click.option(
    "--since", metavar="WHEN", callback=since_ns, help="Only turns since: 2d, 12h or 2025-12-31."
)
@click.option("--until", metavar="WHEN", callback=since_ns, help="Only turns before: as --since.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list.")
@click.option(
    "--plot",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Draw it into this .svg or .png (by day without --by).",
)
@pass_edge
def stats(
    edge: Edge,
    by: tuple[str, ...],
    evaluations: bool,
    agent: Optional[str],
    project: Optional[str],
    since: Optional[int],
    until: Optional[int],
    as_json: bool,
    plot: Optional[Path],
) -> None:
    """Add up turns, calls, tools, failures, tokens, time and cost at list prices.

    Days are yours. What has no price is "unpriced" and not part of the cost. By model, time is
    that of its calls; by tool, time and failures are the tool's, and there are no tokens.

    By evaluator: how many turns and steps it judged, and how many of them passed, which is a score
    above 0.5. What could not be measured, or got no verdict, is counted apart.
    """
    if evaluations:
        by = (*(by or ("day",)), "evaluator")
    by = tuple(dict.fromkeys(by or (("day",) if plot else ())))
    from harness_tracing.store import TurnChoice

    _check(by, plot)
    choice = TurnChoice(agent=agent, project=project, since_ns=since, until_ns=until)
    if "evaluator" in by:
        _rates(edge, by, choice, as_json, plot)
        return
    with edge.store() as store:
        rows = store.usage(by, choice) if store else []
    if plot is not None:
        _plot(rows, by, plot)
    if as_json:
        from harness_tracing.observe.stats import report

        print_json([report(row, by) for row in rows])
    elif not rows:
        talk("No turn matches." if agent or project or since or until else "No turn is stored yet.")
    elif plot is None:
        _print(edge, rows, by)


def _rates(
    edge: Edge, by: tuple[str, ...], choice: TurnChoice, as_json: bool, picture: Optional[Path]
) -> None:
    from harness_tracing.observe.rates import plot, report, table

    with edge.store() as store:
        rows = store.rates(by, choice) if store else []
    if picture is not None and rows:
        plot(rows, by, picture)
        talk(f"Drew {picture}")
    if as_json:
        print_json([report(row, by) for row in rows])
    elif not rows:
        talk("Nothing was evaluated there yet; `harness tasks` evaluates turns.")
    elif picture is None:
        _print_table(edge, table(rows, by, _width(edge)))


def _check(by: tuple[str, ...], plot: Optional[Path]) -> None:
    if {"model", "tool"} <= set(by):
        raise click.UsageError("--by model and --by tool do not go together: no tool has a model.")
    if "evaluator" in by and {"model", "tool"} & set(by):
        raise click.UsageError("--by evaluator goes with day, project and agent alone.")
    if plot is None:
        return
    if plot.suffix.lower() not in _PICTURES:
        raise click.UsageError(f"--plot takes a name that ends in {' or '.join(_PICTURES)}.")
    from harness_tracing import extras

    extras.need("plot", "matplotlib")


def _plot(rows: list[UsageRow], by: tuple[str, ...], path: Path) -> None:
    from harness_tracing.observe.stats import plot

    if not rows:
        return
    plot(rows, by, path)
    talk(f"Drew {path}")


def _print(edge: Edge, rows: list[UsageRow], by: tuple[str, ...]) -> None:
    from harness_tracing.observe.stats import summary, table

    if by:
        _print_table(edge, table(rows, by, _width(edge)))
        return
    for name, value in summary(rows[0]):
        click.echo(f"{name:<18}{value}")


def _print_table(edge: Edge, lines: list[str]) -> None:
    header, *rest = lines
    dumb = edge.environ.get("TERM") == "dumb" or "NO_COLOR" in edge.environ
    plain = dumb or not sys.stdout.isatty()
    click.echo("\n".join([header if plain else click.style(header, dim=True), *rest]))


def _width(edge: Edge) -> int:
    """How wide the output is."""
    told = edge.environ.get("COLUMNS", "")
    if told.isdecimal() and int(told) > 0:
        return int(told)
    try:
        return os.get_terminal_size(sys.stdout.fileno()).columns
    except (OSError, ValueError):
        return _WIDTH
