"""How far an evaluator says what people say: a confusion table, agreement and Cohen's kappa.

Pure: labels in, counts out. What cannot be compared (nothing to judge, not measurable, a judge
that failed, a person's score that is no label) is counted apart and part of no rate.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Optional

from harness_tracing.evaluate.definitions import NOT_MEASURABLE
from harness_tracing.store.verdicts import Annotation

FEW = 20
"""With fewer labels than this, rates say little."""

Apart = Literal["not_measurable", "failed", "nothing_to_judge", "not_asked", "no_label"]


@dataclass(frozen=True)
class Pair:
    """A span that somebody labelled, and what the evaluator says of it.

    `said` None: there is nothing in it for the evaluator to judge, or (`asked` false) the run
    ended before. `turn` is its turn's number, None for a whole session; `is_step`: it is a span
    within that turn.
    """

    agent: str
    session_id: str
    turn: Optional[int]
    human: Annotation
    said: Optional[Annotation]
    asked: bool = True
    is_step: bool = False

    @property
    def ref(self) -> str:
        """What `harness annotate` calls it: SESSION:NUMBER or a span's id; else the session."""
        if self.is_step:
            return self.human.span_id
        return self.session_id if self.turn is None else f"{self.session_id}:{self.turn}"


@dataclass(frozen=True)
class Agreement:
    """The comparison. `labels` are those of the evaluator, then what people said besides.

    `counts` are by (person's label, evaluator's label). `kappa` is None where chance alone would
    agree always, or where nothing was compared.
    """

    labels: tuple[str, ...]
    foreign: tuple[str, ...]
    counts: Mapping[tuple[str, str], int]
    apart: Mapping[Apart, int]
    disagreements: tuple[Pair, ...]
    kappa: Optional[float]

    @property
    def compared(self) -> int:
        """How many spans have a label of both."""
        return sum(self.counts.values())

    @property
    def agreed(self) -> int:
        """On how many of those it is the same."""
        return sum(count for (human, said), count in self.counts.items() if human == said)

    @property
    def rate(self) -> Optional[float]:
        """The part of the compared that agrees; None where there are none."""
        return self.agreed / self.compared if self.compared else None


def agreement(pairs: Iterable[Pair], scores: Mapping[str, Optional[float]]) -> Agreement:
    """Compare; `scores` are the evaluator's labels with their scores, in its order."""
    counts: Counter[tuple[str, str]] = Counter()
    apart: Counter[Apart] = Counter()
    unlike: list[Pair] = []
    for pair in pairs:
        human = label_of(pair.human, scores)
        why = _apart(pair, human)
        if why is not None:
            apart[why] += 1
            continue
        assert human is not None and pair.said is not None and pair.said.label is not None
        counts[human, pair.said.label] += 1
        if human != pair.said.label:
            unlike.append(pair)
    said = dict.fromkeys(label for both in counts for label in both)
    labels = tuple(dict.fromkeys((*scores, *said)))
    foreign = tuple(label for label in labels if label not in scores)
    return Agreement(labels, foreign, dict(counts), dict(apart), tuple(unlike), kappa(counts))


def kappa(counts: Mapping[tuple[str, str], int]) -> Optional[float]:
    """Cohen's kappa: agreement beyond what chance gives to raters of these habits."""
    total = sum(counts.values())
    if not total:
        return None
    humans, others = Counter[str](), Counter[str]()
    for (human, said), count in counts.items():
        humans[human] += count
        others[said] += count
    by_chance = sum(humans[label] * others[label] for label in humans) / total**2
    if by_chance == 1:
        return None
    agreed = sum(count for (human, said), count in counts.items() if human == said) / total
    return (agreed - by_chance) / (1 - by_chance)


def label_of(human: Annotation, scores: Mapping[str, Optional[float]]) -> Optional[str]:
    """What a person said, as a label; a score alone stands for the one label that has it."""
    if human.label is not None:
        return human.label
    having = [label for label, score in scores.items() if score == human.score]
    return having[0] if len(having) == 1 and human.score is not None else None


def latest(labels: Sequence[Annotation]) -> Annotation:
    """Of several people's labels on one span, the one written last."""
    return max(labels, key=lambda each: each.updated_at_ns or 0)


def report(found: Agreement) -> dict[str, Any]:
    """The comparison as plain JSON values."""
    return {
        "labels": list(found.labels),
        "not_labels_of_the_evaluator": list(found.foreign),
        "compared": found.compared,
        "agreed": found.agreed,
        "agreement": found.rate,
        "kappa": found.kappa,
        **{why: found.apart.get(why, 0) for why in _APART},
        "confusion": [
            {"human": human, "evaluator": said, "count": count}
            for (human, said), count in sorted(found.counts.items())
        ],
        "disagreements": [_told(pair) for pair in found.disagreements],
    }


_APART: tuple[Apart, ...] = (
    "not_measurable",
    "failed",
    "nothing_to_judge",
    "not_asked",
    "no_label",
)


def _apart(pair: Pair, human: Optional[str]) -> Optional[Apart]:
    """Why a pair cannot be compared."""
    if not pair.asked:
        return "not_asked"
    if human is None:
        return "no_label"
    if pair.said is None:
        return "nothing_to_judge"
    if pair.said.label == NOT_MEASURABLE and pair.said.score is None:
        return "not_measurable"
    return "failed" if pair.said.label is None else None


def _told(pair: Pair) -> dict[str, Any]:
    said = pair.said
    return {
        "ref": pair.ref,
        "agent": pair.agent,
        "session_id": pair.session_id,
        "turn": pair.turn,
        "span_id": pair.human.span_id or None,
        "human": pair.human.label,
        "human_score": pair.human.score,
        "human_explanation": pair.human.explanation,
        "evaluator": said.label if said else None,
        "score": said.score if said else None,
        "explanation": said.explanation if said else None,
    }
