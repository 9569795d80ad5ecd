"""What was said of spans, as exports carry it: people's annotations, and evaluations."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from harness_tracing.spans.json_form import iso_time
from harness_tracing.store import Annotation
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
