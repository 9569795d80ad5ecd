"""What was said of spans, as exports carry it: people's annotations, and evaluations."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from harness_tracing.model import Turn, span_id, step_id
from harness_tracing.spans.json_form import iso_time
from harness_tracing.store import Annotation, VerdictCounts
from harness_tracing.store.verdicts import WHOLE_SESSION

Verdict = dict[str, Any]


@dataclass(frozen=True)
class Verdicts:
    """What was said of one span: by people, and by code and models."""

    annotations: tuple[Verdict, ...] = ()
    evaluations: tuple[Verdict, ...] = ()


def by_span(said: Iterable[Annotation]) -> dict[str, Verdicts]:
    """The verdicts of each span that has any, in their order."""
    lists: dict[str, tuple[list[Verdict], list[Verdict]]] = {}
    for each in said:
        humans, others = lists.setdefault(each.span_id, ([], []))
        (humans if each.annotator_kind == "HUMAN" else others).append(to_json(each))
    return {span: Verdicts(tuple(a), tuple(b)) for span, (a, b) in lists.items()}


def of_session(said: Iterable[Annotation]) -> dict[str, list[Verdict]]:
    """What was said of a session as a whole, which is on none of its spans."""
    found = by_span(said).get(WHOLE_SESSION, Verdicts())
    return {"annotations": list(found.annotations), "evaluations": list(found.evaluations)}


def of_turn(turn: Mapping[str, Any], said: Iterable[Annotation]) -> Verdict:
    """What was said of a turn and its steps; `turn` is `report.of_turn` of it."""
    spans = {turn["span_id"], *(step["span_id"] for step in turn["steps"])}
    told: Verdict = {"annotations": [], "evaluations": []}
    for each in said:
        if each.span_id in spans:
            kind = "annotations" if each.annotator_kind == "HUMAN" else "evaluations"
            told[kind].append({"span_id": each.span_id, **to_json(each)})
    return told


def of_turns(turns: Iterable[Turn], said: Sequence[Annotation]) -> list[Verdict]:
    """All that was said of a session, each with the number of its turn, if it is about one."""
    numbers = {span: turn.number for turn in turns for span in spans_of(turn)} if said else {}
    return [
        {"turn": numbers.get(each.span_id), "span_id": each.span_id or None, **to_json(each)}
        for each in said
    ]


def spans_of(turn: Turn) -> Iterator[str]:
    """The ids of a turn's spans: its own, then those of its steps."""
    yield span_id(turn.agent, turn.session_id, turn.turn_id)
    for step in turn.steps:
        yield span_id(turn.agent, turn.session_id, turn.turn_id, step_id(step))


def of_counts(verdicts: VerdictCounts, annotations: int) -> Verdict:
    """How much was said of a session and its spans."""
    return {"annotations": annotations, "evaluations": asdict(verdicts)}


def to_json(said: Annotation) -> Verdict:
    """One verdict as plain JSON values; what is not known is left out."""
    fields: Verdict = {
        "name": said.name,
        "annotator_kind": said.annotator_kind,
        "label": said.label,
        "score": said.score,
        "explanation": said.explanation,
        "identifier": said.identifier or None,
        "metadata": None if said.metadata is None else dict(said.metadata),
        "created_at": None if said.created_at_ns is None else iso_time(said.created_at_ns),
        "updated_at": None if said.updated_at_ns is None else iso_time(said.updated_at_ns),
    }
    return {key: value for key, value in fields.items() if value is not None}
