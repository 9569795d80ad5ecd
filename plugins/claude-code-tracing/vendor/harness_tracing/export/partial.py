"""What a partial success means, by whatever protocol it came."""

from __future__ import annotations

from harness_tracing.export.outcome import Outcome
from harness_tracing.export.reasons import Reasons


def partial_success(rejected_spans: int, message: str, reasons: Reasons) -> Outcome:
    """The outcome of an accepted request, of whose spans the backend rejected so many.

    A message without a rejection is a warning: delivered, with a reason.
    """
    if rejected_spans > 0:
        what = f"accepted the request but rejected {rejected_spans} of its spans"
        return Outcome("rejected", reasons.say(what, message), rejected_spans=rejected_spans)
    return Outcome("delivered", reasons.say("warns", message) if message else "")
