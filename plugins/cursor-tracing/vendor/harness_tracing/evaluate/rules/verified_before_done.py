"""Whether the project's own gate passed after the last edit, when the agent said it was done."""

from __future__ import annotations

from harness_tracing.activity import verification_of
from harness_tracing.evaluate.finding import About, Judgement
from harness_tracing.evaluate.seen import Seen

ABOUT = About(
    "verified_before_done",
    "The project's gate (such as `make check`) passed after the last edit of code in the turn.",
    {"verified": 1.0, "partial": 0.5, "not_verified": 0.0},
    begins_anew=(
        "With every turn. Only completed turns that edited code are judged; prose (`.md`, "
        "`.txt` …) and files outside of the project are no code."
    ),
    evidence="The run of the gate that decided, the last edit, and the other checks after it.",
    not_measurable_when=(
        "No gate of the project is known; commands after the last edit are hidden; the gate's"
        " exit status is out of sight (`make check | tail`); a command may have changed code "
        "without telling which."
    ),
)


class VerifiedBeforeDone:
    """Judges completed turns that edited code; every turn stands for itself."""

    about = ABOUT

    def judge(self, seen: Seen) -> Judgement:
        """The verdict on one turn; None for a turn that edited nothing or did not complete."""
        if seen.turn.status != "completed" or not (seen.edits or seen.unseen):
            return None
        told = verification_of([seen.did], seen.gate)
        if told.verdict == "nothing_edited":
            return None
        if told.verdict in ("no_gate", "cannot_tell"):
            return self.about.not_measurable(told.reason)
        shown = [each.tool for each in (told.run, told.last_edit) if each is not None]
        shown += [check.tool for check in told.checks]
        return self.about.finding(told.verdict, told.reason, seen.turn, tuple(shown))
