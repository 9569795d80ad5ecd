"""`harness spans …`: the stored turns as OpenInference spans."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Optional, cast

import click

from harness_tracing.cli.edge import Edge, pass_edge, print_json, talk
from harness_tracing.errors import StoreError

if TYPE_CHECKING:
    from harness_tracing.observe.export import Selection
    from harness_tracing.spans import Shape

_DAYS, _LIMIT = 30, 100
_DAY_NS = 86_400_000_000_000


@click.group()
def spans() -> None:
    """Read turns back as OpenInference spans."""


@spans.command()
@click.argument("project", required=False)
@click.option("--session-id", metavar="ID", help="All spans of this session.")
@click.option("--trace-id", metavar="ID", help="All spans of this trace, which is one turn.")
@click.option("--span-id", metavar="ID", help="This span alone.")
@click.option(
    "--shape",
    type=click.Choice(["turns", "calls"]),
    default="turns",
    show_default=True,
    help="One LLM span per turn, or one per model call.",
)
@click.option("--filter", "expression", metavar="EXPR", help="E.g. \"status_code = 'ERROR'\".")
@click.option(
    "--days",
    type=click.IntRange(min=1),
    help=f"Turns of so many days back; {_DAYS} unless an ID is given.",
)
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    help=f"At most so many spans, of the latest turns; {_LIMIT} unless an ID is given.",
)
@click.option("--all", "everything", is_flag=True, help="No limit of days or number.")
@click.option("--stdout", "to_stdout", is_flag=True, help="Print the JSON instead of a file.")
@click.option(
    "--output-dir",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write spans.json into this folder.  [default: .arize-tmp-traces/…]",
)
@pass_edge
def export(
    edge: Edge,
    project: Optional[str],
    session_id: Optional[str],
    trace_id: Optional[str],
    span_id: Optional[str],
    shape: str,
    expression: Optional[str],
    days: Optional[int],
    limit: Optional[int],
    everything: bool,
    to_stdout: bool,
    output_dir: Optional[Path],
) -> None:
    """Export spans as JSON: a session's, a trace's, one span, or the latest of a PROJECT.

    Without --stdout they go to a file, whose path is printed. EXPR is a condition as in SQL:

    \b
    status_code = 'ERROR' and attributes.tool.name like 'Ba%'
    attributes.openinference.span.kind = 'LLM' and start_time >= '2025-12-31'
    attributes.llm.token_count.total > 50000 or attributes.error.type is not null

    Columns are name, kind, status_code, status_message, parent_id, span_id, trace_id,
    start_time, end_time and attributes.<name>. Operators are = != <> < <= > >=, like, ilike
    (the same in any case), in, between, is null, is not null, and, or, not and parentheses.
    Times without a zone are UTC.
    """
    from harness_tracing.observe.export import Selection
    from harness_tracing.observe.filter import Filter

    ids = [name for name in (session_id, trace_id, span_id) if name is not None]
    _check_usage(len(ids), project, everything, days, limit, to_stdout, output_dir)
    if not ids and not everything:
        days, limit = days or _DAYS, limit or _LIMIT
    selection = Selection(
        project=project,
        session_id=session_id,
        trace_id=trace_id,
        span_id=span_id,
        since_ns=edge.now_ns() - days * _DAY_NS if days else None,
        limit=limit,
        filter=Filter(expression) if expression is not None else None,
    )
    _export(edge, selection, cast("Shape", shape), to_stdout, output_dir)


def _check_usage(
    ids: int,
    project: Optional[str],
    everything: bool,
    days: Optional[int],
    limit: Optional[int],
    to_stdout: bool,
    output_dir: Optional[Path],
) -> None:
    if ids > 1:
        raise click.UsageError("Give only one of --session-id, --trace-id and --span-id.")
    if ids == 0 and project is None:
        raise click.UsageError("Give a PROJECT or one of --session-id, --trace-id, --span-id.")
    if everything and (days or limit):
        raise click.UsageError("--all goes with neither --days nor --limit.")
    if to_stdout and output_dir is not None:
        raise click.UsageError("Give only one of --stdout and --output-dir.")


def _export(
    edge: Edge, selection: Selection, shape: Shape, to_stdout: bool, output_dir: Optional[Path]
) -> None:
    from harness_tracing.observe.export import NoSessionError, default_file, exported

    with edge.store() as store:
        if store is None:
            kind, name = selection.what
            raise StoreError(f"nothing has been traced yet, so there are no spans of {kind} {name}")
        try:
            found = exported(store, selection, shape)
        except NoSessionError as error:
            if not to_stdout:
                raise
            # Agents name threads that never become sessions of their own; those have no spans.
            talk(str(error))
            print_json([])
            return
    if found.more:
        talk(f"Stopped at {selection.limit} spans; --limit or --all gives more.")
    if to_stdout:
        print_json(found.spans)
        return
    path = output_dir / "spans.json" if output_dir else default_file(selection, edge.now_ns())
    _write(path, found.spans)
    talk(f"Exported spans: {len(found.spans)}")
    click.echo(path)


def _write(path: Path, found: list[dict[str, object]]) -> None:
    """Write for the user's eyes only: spans hold prompts and what tools returned."""
    from harness_tracing.observe.text import json_text

    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(json_text(found) + "\n")
    except OSError as error:
        raise click.ClickException(f"cannot write {path}: {error.strerror}") from error
