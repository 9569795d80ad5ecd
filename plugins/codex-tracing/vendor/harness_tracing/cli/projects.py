"""`harness projects …`."""

from __future__ import annotations

import click

from harness_tracing.cli.edge import Edge, pass_edge, print_json, print_table, talk


@click.group()
def projects() -> None:
    """List the projects that sessions are filed under."""


@projects.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list.")
@pass_edge
def list_projects(edge: Edge, as_json: bool) -> None:
    """List projects, the latest active first."""
    with edge.store() as store:
        rows = store.projects() if store else []
    if as_json:
        from harness_tracing.observe import report

        print_json([report.of_project(row) for row in rows])
    elif rows:
        from harness_tracing.observe.listing import project_table

        print_table(edge, lambda width: project_table(rows))
    else:
        talk("Nothing has been traced yet.")
