"""The rules that need no model, one module each, in the order in which they are shown.

A rule is made anew for each session and gets its turns in order: what it remembers from one to
the next, and what makes it forget, is the rule's own. Each turn gets a finding with one of the
rule's labels, a word on why that cannot be had, or nothing where there is nothing to judge.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Callable, Optional, Protocol

from harness_tracing.activity import Gate
from harness_tracing.evaluate.finding import About, Judgement
from harness_tracing.evaluate.rules.claim_without_evidence import ClaimWithoutEvidence
from harness_tracing.evaluate.rules.edit_without_read import EditWithoutRead
from harness_tracing.evaluate.rules.gate_weakening import GateWeakening
from harness_tracing.evaluate.rules.identical_call_loop import IdenticalCallLoop
from harness_tracing.evaluate.rules.repeated_failing_command import RepeatedFailingCommand
from harness_tracing.evaluate.rules.secret_exposure import SecretExposure
from harness_tracing.evaluate.rules.test_tampering import TestTampering
from harness_tracing.evaluate.rules.verified_before_done import VerifiedBeforeDone
from harness_tracing.evaluate.seen import Seen
from harness_tracing.model import Turn


class Rule(Protocol):
    """Judges the turns of one session, one after the other."""

    about: About

    def judge(self, seen: Seen) -> Judgement:
        """The verdict on the next turn of the session."""


RULES: tuple[Callable[[], Rule], ...] = (
    VerifiedBeforeDone,
    ClaimWithoutEvidence,
    EditWithoutRead,
    RepeatedFailingCommand,
    IdenticalCallLoop,
    TestTampering,
    GateWeakening,
    SecretExposure,
)


def judged(
    turns: Iterable[Turn], gate: Optional[Gate], rules: Iterable[Callable[[], Rule]] = RULES
) -> Iterator[tuple[Turn, list[Judgement]]]:
    """Each turn of a session, in order, with what each of the rules says of it."""
    made = [rule() for rule in rules]
    for turn in turns:
        seen = Seen(turn, gate)
        yield turn, [rule.judge(seen) for rule in made]
