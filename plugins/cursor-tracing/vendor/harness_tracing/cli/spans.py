"""`harness spans …`: the stored turns as OpenInference spans."""

from __future__ import annotations

import os
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional, cast

import click

from harness_tracing.cli.complete import project_names, session_ids
from harness_tracing.cli.edge import Edge, Group, pass_edge, print_json, talk
from harness_tracing.cli.parameters import MOST_DAYS, moment_ns
from harness_tracing.cli.source import server, source_option
from harness_tracing.errors import StoreError

if TYPE_CHECKING:
    from harness_tracing.observe.export import Exported, Selection
    from harness_tracing.spans import Shape

_DAYS, _LIMIT = 30, 100
_DAY_NS = 86_400_000_000_000
_IDS = ("session_id", "trace_id", "span_id")


@click.group(cls=Group)
def spans() -> None:
    """Read turns back as OpenInference spans."""


@spans.command()
@click.argument("project", required=False, shell_complete=project_names)
@click.option(
    "--session-id", metavar="ID", shell_complete=session_ids, help="All spans of this session."
)
@click.option("--trace-id", metavar="ID", help="All spans of this trace, which is one turn.")
@click.option("--span-id", metavar="ID", help="This span alone.")
@click.option(
    "--shape",
    type=click.Choice(["turns", "calls"]),
    help="One LLM span per turn, or one per model call.  [default: turns]",
)
@click.option("--filter", "expression", metavar="EXPR", help="E.g. \"status_code = 'ERROR'\".")
@click.option(
    "--days",
    type=click.IntRange(min=1, max=MOST_DAYS),
    help=f"Turns of so many days back; {_DAYS} unless an ID or a start is given.",
)
@click.option(
    "--start-time",
    "start_ns",
    metavar="TIME",
    callback=moment_ns,
    help="Turns that began then or later: 2025-12-31 or 2025-12-31T14:03:00+01:00.",
)
@click.option(
    "--end-time",
    "end_ns",
    metavar="TIME",
    callback=moment_ns,
    help="Turns that began before then.",
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
@source_option
@pass_edge
def export(
    edge: Edge,
    /,
    project: Optional[str],
    shape: Optional[str],
    expression: Optional[str],
    to_stdout: bool,
    output_dir: Optional[Path],
    source: Optional[str],
    **asked: Any,
) -> None:
    """Export spans as JSON: a session's, a trace's, one span, or the latest of a PROJECT.

    Without --stdout they go to a file, whose path is printed. With --all and no PROJECT they are
    those of all projects. EXPR is a condition as in SQL:

    \b
    status_code = 'ERROR' and attributes.tool.name like 'Ba%'
    attributes.openinference.span.kind = 'LLM' and start_time >= '2025-12-31'
    attributes.llm.token_count.total > 50000 or attributes.error.type is not null
    evaluations.verified_before_done.label = 'incorrect'

    Columns are name, kind, status_code, status_message, parent_id, span_id, trace_id,
    start_time, end_time, attributes.<name>, and evaluations.<name>.label, .score and
    .explanation, likewise annotations.<name>. Operators are = != <> < <= > >=, like, ilike
    (the same in any case), in, between, is null, is not null, and, or, not and parentheses.
    Times without a zone are UTC.
    """
    from harness_tracing.observe.export import Selection
    from harness_tracing.observe.filter import Filter

    if to_stdout and output_dir is not None:
        raise click.UsageError("Give only one of --stdout and --output-dir.")
    if shape is not None and source is not None:
        raise click.UsageError("--from gives spans in the shape they were sent; leave --shape out.")
    times = _times(edge, project, source, **asked)
    wanted = Filter(expression) if expression is not None else None
    for warning in wanted.warnings if wanted is not None else ():
        talk(f"Note: {warning}")
    ids: dict[str, Any] = {name: asked[name] for name in _IDS}
    selection = Selection(project=project, filter=wanted, **ids, **times)
    found = _found(edge, selection, cast("Shape", shape or "turns"), source, to_stdout)
    if found is not None:
        _deliver(edge, selection, found, to_stdout, output_dir)


def _times(
    edge: Edge,
    project: Optional[str],
    source: Optional[str],
    *,
    everything: bool,
    days: Optional[int],
    start_ns: Optional[int],
    end_ns: Optional[int],
    limit: Optional[int],
    **ids: Optional[str],
) -> dict[str, Any]:
    """From when to when and how many, once it is certain that the options go together."""
    given = [name for name in _IDS if ids[name] is not None]
    if len(given) > 1:
        raise click.UsageError("Give only one of --session-id, --trace-id and --span-id.")
    if not given and project is None and (not everything or source is not None):
        raise click.UsageError(
            "Give a PROJECT or one of --session-id, --trace-id, --span-id; --all without a "
            "PROJECT exports all projects of the local store."
        )
    if everything and (days or limit):
        raise click.UsageError("--all goes with neither --days nor --limit.")
    if days and start_ns is not None:
        raise click.UsageError("Give only one of --days and --start-time.")
    if start_ns is not None and end_ns is not None and start_ns >= end_ns:
        raise click.UsageError("--start-time has to be before --end-time.")
    if not given and not everything:
        limit = limit or _LIMIT
        days = days or (_DAYS if start_ns is None else None)
    if days:
        start_ns = (edge.now_ns() if end_ns is None else end_ns) - days * _DAY_NS
    return {"since_ns": start_ns, "until_ns": end_ns, "limit": limit}


def _found(
    edge: Edge, selection: Selection, shape: Shape, source: Optional[str], to_stdout: bool
) -> Optional[Exported]:
    """The spans; None when the answer was given already."""
    if source is not None:
        with server(edge, source) as phoenix:
            from harness_tracing.observe.remote import export as remote

            return remote.exported(phoenix, selection)
    from harness_tracing.observe.export import NoSessionError, exported

    with edge.store() as store:
        if store is None:
            kind, name = selection.what
            if kind == "spans":
                kind, name = ("project", name) if selection.project else ("any", "project")
            raise StoreError(f"nothing has been traced yet, so there are no spans of {kind} {name}")
        try:
            return exported(store, selection, shape)
        except NoSessionError as error:
            if not to_stdout:
                raise
            # Agents name threads that never become sessions of their own; those have no spans.
            talk(str(error))
            print_json([])
            return None


def _deliver(
    edge: Edge,
    selection: Selection,
    found: Exported,
    to_stdout: bool,
    output_dir: Optional[Path],
) -> None:
    from harness_tracing.observe.export import default_file

    if found.more:
        talk(f"Stopped at {selection.limit} spans; --limit or --all gives more.")
    if to_stdout:
        print_json(found.spans)
        return
    path = output_dir / "spans.json" if output_dir else default_file(selection, edge.now_ns())
    path = _write(path, found.spans, alone=output_dir is None)
    talk(f"Exported spans: {len(found.spans)}")
    click.echo(path)


def _write(path: Path, found: list[dict[str, object]], alone: bool) -> Path:
    """Write for the user's eyes only: spans hold prompts and what tools returned.

    `alone`: into a folder of its own; another export may have begun in the same second.
    """
    from harness_tracing.observe.text import json_text

    try:
        path = _made(path.parent, alone) / path.name
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(json_text(found) + "\n")
    except OSError as error:
        raise click.ClickException(f"cannot write {path}: {error.strerror}") from error
    return path


def _made(folder: Path, alone: bool) -> Path:
    made = folder
    for number in count(2):
        try:
            made.mkdir(mode=0o700, parents=True, exist_ok=not alone)
            break
        except FileExistsError:
            if not alone:
                raise
            made = folder.with_name(f"{folder.name}_{number}")
    return made
