"""Whether a backend is there and takes the credentials: asked now, with nothing in the question.

Over HTTP and gRPC an export request without any span is sent; a Phoenix is also asked for a span
that nobody has, since the path for spans alone does not tell it from another receiver.
"""

from __future__ import annotations

from dataclasses import replace

from harness_tracing import __version__
from harness_tracing.destinations import Destination
from harness_tracing.errors import TracerError
from harness_tracing.setup.answers import Checked

__all__ = ["TIMEOUT_S", "Checked", "ask"]

TIMEOUT_S = 8.0
_NO_SPAN = "0" * 15 + "1"


def ask(destination: Destination, timeout_s: float = TIMEOUT_S) -> Checked:
    """Ask a backend; takes no longer than the time limit for each of two questions."""
    from harness_tracing.export.readback import open_readback
    from harness_tracing.export.sender import open_sender

    destination = replace(destination, timeout_s=min(destination.timeout_s, timeout_s))
    sender = open_sender(destination, version=__version__)
    try:
        outcome = sender.send(b"", destination.timeout_s)
    finally:
        sender.close()
    if outcome.verdict not in ("delivered", "rejected"):
        return Checked(False, outcome.reason)
    said = f"{destination.target.title} answers"
    credentials = " and takes the credentials" if destination.headers else ""
    read_back = open_readback(destination)
    if read_back is not None:
        try:
            read_back.stored(destination.target.project, (_NO_SPAN,))
        except TracerError as error:
            return Checked(False, str(error))
        said += " as Phoenix does"
    return Checked(True, said + credentials)
