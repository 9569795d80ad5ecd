"""`harness flush`."""

from __future__ import annotations

from typing import Optional

import click

from harness_tracing.cli.edge import Edge, pass_edge, talk


@click.command()
@click.option("--wait", is_flag=True, help="Wait until everything is stored and sent.")
@click.option(
    "--timeout",
    type=click.FloatRange(min=0),
    default=60.0,
    show_default=True,
    help="Seconds to wait at most.",
)
@click.option(
    "--destination",
    metavar="NAME",
    help="Send to this one only: its name, its kind (ax, phoenix, otlp) or its endpoint.",
)
@click.option("--verify", is_flag=True, help="Read back what was sent, where that is possible.")
@pass_edge
def flush(edge: Edge, wait: bool, timeout: float, destination: Optional[str], verify: bool) -> None:
    """Store everything that was captured, and send what is to be sent.

    Exits with 0 when nothing is left and with 1 when something is; what and why is said.
    Turns that still run are stored too and do not count as left.
    """
    from harness_tracing import worker

    result = worker.flush(
        edge.home,
        edge.environ,
        timeout_s=timeout,
        wait=wait,
        destination=destination,
        verify=verify,
    )
    for message in result.messages:
        talk(message)
    if result.left:
        raise SystemExit(1)
