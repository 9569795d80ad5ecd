"""What a judge said, as the store keeps it."""

from __future__ import annotations

from typing import Any, Optional

from harness_tracing.evaluate.judge.answers import Verdict
from harness_tracing.evaluate.judge.run import Judged
from harness_tracing.evaluate.templates import Subject
from harness_tracing.store.verdicts import Annotation


def annotation(judged: Judged, subject: Subject, name: str, identifier: str = "") -> Annotation:
    """The annotation of an evaluator's name on what was judged.

    A failure is kept as one: without label and score, its reason as explanation, and in the
    metadata what kind of error it was and what the judge said instead of a choice.
    """
    outcome = judged.outcome
    metadata: dict[str, Any] = {
        "model": judged.model,
        "cost_usd": judged.cost_usd,
        "input_tokens": judged.usage.input_tokens,
        "output_tokens": judged.usage.output_tokens,
        "cached": judged.cached,
    }
    label: Optional[str] = None
    score: Optional[float] = None
    if isinstance(outcome, Verdict):
        label, score, explanation = outcome.label, outcome.score, outcome.explanation
    else:
        explanation = outcome.message
        metadata["error"] = outcome.kind
        metadata["said"] = outcome.said
    known = {key: value for key, value in metadata.items() if value is not None}
    return Annotation(
        subject.span_id, name, "LLM", label, score, explanation, identifier, metadata=known
    )
