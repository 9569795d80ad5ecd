"""What a rule says of a turn."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Optional, Union

from harness_tracing.model import ToolCall, Turn, span_id, step_id


@dataclass(frozen=True)
class Finding:
    """A rule's verdict on a turn: one of the rule's labels, why, and the steps that show it.

    `evidence` are span ids, the first the most telling; empty where the turn as a whole is.
    The score is the label's, 1 being good.
    """

    rule: str
    label: str
    score: float
    explanation: str
    evidence: tuple[str, ...] = ()


@dataclass(frozen=True)
class NotMeasurable:
    """The rule applies, but what it needs was not recorded: a content switch, an old agent."""

    rule: str
    why: str


@dataclass(frozen=True)
class Failed:
    """The rule itself failed: it raised `error`, or gave what is no verdict of its labels."""

    rule: str
    error: str
    why: str


Judgement = Optional[Union[Finding, NotMeasurable, Failed]]
"""None: the turn holds nothing for the rule to judge, so it counts neither way."""


@dataclass(frozen=True)
class About:
    """What a rule is called, what it looks for, and the labels it gives with their scores.

    The rest is for its page: when it begins anew, which spans it names as evidence, and what it
    calls not measurable.
    """

    name: str
    what: str
    labels: dict[str, float] = field(default_factory=dict)
    begins_anew: str = ""
    evidence: str = ""
    not_measurable_when: str = ""

    def finding(
        self, label: str, explanation: str, turn: Turn, calls: tuple[ToolCall, ...] = ()
    ) -> Finding:
        """A finding with the score of its label and the spans of `calls`; KeyError: no label."""
        score = self.labels[label]
        if not calls:
            return _without_evidence(self.name, label, score, explanation)
        ids = tuple(dict.fromkeys([span_of(turn, call) for call in calls]))
        return Finding(self.name, label, score, explanation, ids)

    def not_measurable(self, why: str) -> NotMeasurable:
        """Said instead of a finding where the record lacks what the rule needs."""
        return NotMeasurable(self.name, why)


@lru_cache(maxsize=256)
def _without_evidence(rule: str, label: str, score: float, explanation: str) -> Finding:
    """Most turns pass, in the same words: one value serves them all."""
    return Finding(rule, label, score, explanation)


def span_of(turn: Turn, call: ToolCall) -> str:
    """The id of a tool call's span, the same in both shapes."""
    return span_id(turn.agent, turn.session_id, turn.turn_id, step_id(call))
