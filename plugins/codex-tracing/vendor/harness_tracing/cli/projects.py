"""`harness projects …`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Optional

import click

from harness_tracing.cli.edge import Edge, Group, pass_edge, print_json, print_lines, talk
from harness_tracing.cli.source import server, source_option

if TYPE_CHECKING:
    from harness_tracing.store import ProjectRow


@click.group(cls=Group)
def projects() -> None:
    """List the projects that sessions are filed under."""


@projects.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list.")
@source_option
@pass_edge
def list_projects(edge: Edge, as_json: bool, source: Optional[str]) -> None:
    """List projects, the latest active first."""
    rows = _rows(edge, source)
    if as_json:
        from harness_tracing.observe import report

        print_json([report.of_project(row) for row in rows])
    elif rows:
        from harness_tracing.observe.sessions import project_lines

        print_lines(edge, lambda width: project_lines(rows, width))
    else:
        talk("Nothing has been traced yet.")


def _rows(edge: Edge, source: Optional[str]) -> list[ProjectRow]:
    if source is None:
        with edge.store() as store:
            return store.projects() if store else []
    with server(edge, source) as phoenix:
        from harness_tracing.observe.remote.load import project_rows

        return project_rows(phoenix)
