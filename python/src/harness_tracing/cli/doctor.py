"""`harness doctor`: what is wrong here, and what to do about it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from harness_tracing.cli.edge import Edge, pass_edge, print_json, talk
from harness_tracing.errors import TracerError

if TYPE_CHECKING:
    from harness_tracing.doctor import Finding


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--fix", is_flag=True, help="Mend what is safe to mend, and say what was done.")
@pass_edge
def doctor(edge: Edge, as_json: bool, fix: bool) -> None:
    """Check settings, files, agents and their hooks, what waits, and every destination.

    Exits with 1 when a problem was found. Each says what happened and what to do. No span is
    sent: a backend is asked with an empty request whether it takes the key. Keys are never shown.

    With --fix: permissions of our files, what lies waiting in the spool, an environment that
    does not start, hooks of ours that somebody took out. Whom an agent trusts is not touched.
    """
    from harness_tracing import __version__, worker
    from harness_tracing import doctor as doctors

    place = doctors.Place(edge.environ, edge.now_ns())
    try:
        # What only nobody has looked after yet is no problem.
        worker.sweep(place.home, edge.environ)
    except TracerError as error:
        talk(str(error))
    findings, mended = list(doctors.examine(place)), []
    if fix:
        mended = _mend(findings)
        # What was found before is looked at afresh.
        findings = list(doctors.examine(doctors.Place(edge.environ, edge.now_ns())))
    problems = sum(not finding.ok for _, finding in findings)
    if as_json:
        home = str(place.home.root)
        report: dict[str, Any] = {"ok": not problems, "version": __version__, "home": home}
        report["checks"] = [_of_finding(check, finding) for check, finding in findings]
        print_json({**report, "mended": mended} if fix else report)
    else:
        _print(findings, problems)
    if problems:
        raise SystemExit(1)


def _mend(findings: list[tuple[str, Finding]]) -> list[str]:
    from harness_tracing import doctor as doctors

    done = []
    for sentence in doctors.mend(findings):
        done.append(sentence)
        talk(sentence)
    return done


def _of_finding(check: str, finding: Finding) -> dict[str, Any]:
    return {
        "check": check,
        "subject": finding.subject,
        "ok": finding.ok,
        "level": finding.level,
        "message": finding.message,
        "remedy": finding.remedy or None,
    }


def _print(findings: list[tuple[str, Finding]], problems: int) -> None:
    from harness_tracing.observe.text import first_line, plural

    colours = {"ok": "green", "note": "yellow", "problem": "red"}
    for check, finding in findings:
        mark = click.style(f"{finding.level:<7}", fg=colours[finding.level])
        click.echo(f"{mark}  {check:<14}  {first_line(f'{finding.subject}: {finding.message}')}")
        if finding.remedy:
            click.echo(f"{'':25}→ {first_line(finding.remedy)}")
    click.echo(f"\n{plural(problems, 'problem')} found." if problems else "\nAll is well.")
