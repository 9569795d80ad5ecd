"""The `harness` command. This is its outer edge: the only place that knows the process."""

from __future__ import annotations

import os
import sys

# `quick` is about what is not imported.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Optional


def main(arguments: Optional[Sequence[str]] = None) -> None:
    """Run the command line (`arguments` default to the process's own) and exit.

    Returns or exits with 0 for ok, 1 for a problem found, 2 for wrong usage.
    """
    from harness_tracing.cli import quick

    # Python leaves out the streams that a process was started without.
    sys.stdout = sys.stdout or open(os.devnull, "w")  # noqa: SIM115
    sys.stderr = sys.stderr or open(os.devnull, "w")  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        # Traced text may hold what the terminal's encoding has no sign for.
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="replace")
    if quick.answers(sys.argv[1:] if arguments is None else arguments, os.environ):
        return
    from harness_tracing.cli.app import harness
    from harness_tracing.cli.edge import Edge

    harness.main(args=arguments, prog_name="harness", obj=Edge(dict(os.environ)))
