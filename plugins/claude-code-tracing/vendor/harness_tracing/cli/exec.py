"""`harness exec`: any agent, and after it a flush; for containers and CI jobs that end with it."""

from __future__ import annotations

import click

from harness_tracing.cli.edge import Edge, pass_edge, talk
from harness_tracing.errors import TracerError


@click.command("exec", context_settings={"ignore_unknown_options": True})
@click.option(
    "--timeout",
    type=click.FloatRange(min=0),
    default=60.0,
    show_default=True,
    help="Seconds to wait at most for what is left to be stored and sent.",
)
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
@pass_edge
def exec_(edge: Edge, timeout: float, command: tuple[str, ...]) -> None:
    """Run COMMAND, wait until what it left is stored and sent, and exit as it did.

    COMMAND gets our terminal, input and output as they are; nothing of ours is printed but,
    on stderr, what could not be sent. Write -- before it: harness exec -- claude -p "…".
    A command that a signal ended gives 128 and the signal's number, one that is not found 127.
    """
    from harness_tracing.cli.child import Signals, run

    signals = Signals()
    code = run(list(command), edge.environ, signals, talk)
    try:
        with signals.interrupting():
            _flush(edge, timeout)
    except KeyboardInterrupt:
        talk("harness: not waited for; what is left goes with the next session")
    signals.ignore()
    raise SystemExit(code)


def _flush(edge: Edge, timeout: float) -> None:
    from harness_tracing import worker

    try:
        result = worker.flush(edge.home, edge.environ, timeout_s=timeout, wait=True)
    except TracerError as error:
        talk(f"harness: {error}")
        return
    for message in result.messages:
        talk(f"harness: {message}")
