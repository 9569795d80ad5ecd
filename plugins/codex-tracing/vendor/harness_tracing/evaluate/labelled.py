"""What people labelled under an evaluator's name, and the same spans as it judges them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Optional

from harness_tracing.evaluate.agreement import Pair, latest
from harness_tracing.model import span_id
from harness_tracing.store import Annotation, Store
from harness_tracing.store.verdicts import TurnFacts

SpanKey = tuple[str, str, str]
"""Agent, session and span id; the latter is empty for a whole session."""


@dataclass(frozen=True)
class Labelled:
    """A span with what was last said of it by a person; `others` say something else."""

    key: SpanKey
    human: Annotation
    turn: Optional[int]
    is_step: bool = False
    others: int = 0


def labelled(
    store: Store,
    name: str,
    *,
    project: Optional[str] = None,
    since_ns: Optional[int] = None,
    limit: Optional[int] = None,
) -> list[Labelled]:
    """The spans that people labelled under this name, those of the latest turns first."""
    said: dict[SpanKey, list[Annotation]] = {}
    facts: dict[SpanKey, TurnFacts] = {}
    for each, turn in store.annotations_between(project=project, since_ns=since_ns, names=[name]):
        if each.annotator_kind == "HUMAN":
            key = (turn.agent, turn.session_id, each.span_id)
            said.setdefault(key, []).append(each)
            facts[key] = turn
    newest = sorted(said, key=lambda key: -facts[key].started_at_ns)[:limit]
    return [_labelled(key, said[key], facts[key]) for key in newest]


def _labelled(key: SpanKey, said: Sequence[Annotation], turn: TurnFacts) -> Labelled:
    last = latest(said)
    others = sum((each.label, each.score) != (last.label, last.score) for each in said)
    root = span_id(turn.agent, turn.session_id, turn.turn_id) if turn.turn_id else last.span_id
    return Labelled(key, last, turn.number, last.span_id != root, others)


def pairs(labels: Iterable[Labelled], said: Mapping[SpanKey, Optional[Annotation]]) -> list[Pair]:
    """Each label with what the evaluator says; what is not in `said` was not asked."""
    return [
        Pair(
            *each.key[:2],
            each.turn,
            each.human,
            said.get(each.key),
            asked=each.key in said,
            is_step=each.is_step,
        )
        for each in labels
    ]
