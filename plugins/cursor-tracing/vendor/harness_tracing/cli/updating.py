"""`harness update` and `harness extra`: another version, and packages that few commands need."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Optional

import click

from harness_tracing.cli.edge import Edge, pass_edge, print_json, talk


@click.command()
@click.option("--branch", metavar="NAME", help="This branch or tag instead of the one before.")
@pass_edge
def update(edge: Edge, branch: Optional[str]) -> None:
    """Fetch the newest version, as install.sh did, and register anew what is registered.

    Sessions that run are not disturbed: they go on with the version they began with. What came
    with a plugin or with pip is updated by what brought it: the command for that is said.
    """
    from harness_tracing import extras
    from harness_tracing.errors import BootstrapError
    from harness_tracing.paths import home_of

    home, kind = home_of(edge.environ), extras.kind_of(Path(sys.prefix))
    script = home.bootstrap / ("install.bat" if os.name == "nt" else "install.sh")
    if kind != "built" or not script.exists():
        lines = extras.updates(kind, sys.executable)
        raise BootstrapError("this was not installed by install.sh; update it with: " + lines)
    shell = [edge.environ.get("COMSPEC", "cmd"), "/c"] if os.name == "nt" else ["bash"]
    words = [*shell, str(script), "update", *(["--branch", branch] if branch else [])]
    try:
        code = subprocess.run(words, env=dict(edge.environ), check=False).returncode
    except OSError as error:
        raise BootstrapError(f"{script} could not be started: {error}") from error
    raise SystemExit(code)


@click.group()
def extra() -> None:
    """Packages that only some commands need."""


@extra.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def extra_list(as_json: bool) -> None:
    """List the extras and whether they are installed here."""
    from harness_tracing.extras import EXTRAS, is_there

    rows = [
        {"extra": name, "installed": all(map(is_there, each.modules)), "what_for": each.why}
        for name, each in sorted(EXTRAS.items())
    ]
    if as_json:
        print_json(rows)
        return
    for row in rows:
        state = "installed" if row["installed"] else "not installed"
        click.echo(f"{row['extra']:<10} {state:<14} {row['what_for']}")


@extra.command("install")
@click.argument("name")
@pass_edge
def extra_install(edge: Edge, name: str) -> None:
    """Install the extra NAME from the lock of this version, hashes checked.

    Later versions get it by themselves. Where pip, pipx or uv brought this installation, the
    line to type is said instead.
    """
    from harness_tracing import extras
    from harness_tracing.errors import BootstrapError

    if name not in extras.EXTRAS:
        raise click.BadParameter(f"{name!r} is no extra; there are {', '.join(extras.EXTRAS)}.")
    known, prefix = extras.EXTRAS[name], Path(sys.prefix)
    if all(map(extras.is_there, known.modules)):
        talk(f"The extra {name} is installed already.")
        return
    problem = extras.too_old(name, sys.version_info[:2])
    if problem is not None:
        raise BootstrapError(problem)
    kind = extras.kind_of(prefix)
    if kind != "built":
        line = extras.how(name, kind, sys.executable)
        raise BootstrapError(f"this installation is {extras.KINDS[kind]}; type: {line}")
    from harness_tracing import bootstrap as bootstrapping
    from harness_tracing.paths import home_of

    talk(f"Installing the extra {name}: it {known.why}.")
    bootstrapping.add_extra(home_of(edge.environ), prefix.resolve(), name, edge.environ)
    talk(f"The extra {name} is installed.")
