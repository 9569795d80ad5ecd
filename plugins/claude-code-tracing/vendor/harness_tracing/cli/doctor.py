"""`harness doctor`: what is wrong here, and what to do about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from harness_tracing.cli.edge import Edge, pass_edge, print_json, talk
from harness_tracing.errors import TracerError

if TYPE_CHECKING:
    from harness_tracing.doctor import Finding


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@pass_edge
def doctor(edge: Edge, as_json: bool) -> None:
    """Check settings, files, the store, what waits, and every destination.

    Exits with 1 when a problem was found. Each says what happened and what to do. Nothing is
    sent anywhere: of a backend only the connection is tried. Keys are never shown.
    """
    from harness_tracing import __version__, worker
    from harness_tracing import doctor as doctors

    place = doctors.Place(edge.environ, edge.now_ns())
    try:
        # What only nobody has looked after yet is no problem.
        worker.sweep(place.home, edge.environ)
    except TracerError as error:
        talk(str(error))
    findings = list(doctors.examine(place))
    problems = sum(not finding.ok for _, finding in findings)
    if as_json:
        checks = [
            {
                "check": check,
                "subject": finding.subject,
                "ok": finding.ok,
                "message": finding.message,
                "remedy": finding.remedy or None,
            }
            for check, finding in findings
        ]
        home = str(place.home.root)
        print_json({"ok": not problems, "version": __version__, "home": home, "checks": checks})
    else:
        _print(findings, problems)
    if problems:
        raise SystemExit(1)


def _print(findings: list[tuple[str, Finding]], problems: int) -> None:
    from harness_tracing.observe.text import first_line, plural

    for check, finding in findings:
        mark = (
            click.style("ok     ", fg="green") if finding.ok else click.style("problem", fg="red")
        )
        click.echo(f"{mark}  {check:<12}  {first_line(f'{finding.subject}: {finding.message}')}")
        if finding.remedy and not finding.ok:
            click.echo(f"{'':23}→ {first_line(finding.remedy)}")
    click.echo(f"\n{plural(problems, 'problem')} found." if problems else "\nAll is well.")
