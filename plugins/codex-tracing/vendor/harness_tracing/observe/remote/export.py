"""Spans of a server in the form of the span export, as the server has them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from harness_tracing.errors import RemoteError
from harness_tracing.observe.export import Exported, Selection, SpanJson, no_project
from harness_tracing.observe.remote.fields import RemoteSpan, read
from harness_tracing.observe.remote.load import session_named
from harness_tracing.observe.remote.phoenix import Json, Phoenix
from harness_tracing.observe.remote.steps import told_by
from harness_tracing.spans.content import json_text
from harness_tracing.spans.json_form import iso_time

_AT_ONCE = 100
_KIND = "openinference.span.kind"
# A server takes these apart into dotted keys.
_JSON_TEXTS = ("tool.parameters", "metadata", "llm.invocation_parameters")
_PARAMETERS = {
    "status_code": "status_code",
    "kind": "span_kind",
    f"attributes.{_KIND}": "span_kind",
}


def exported(server: Phoenix, selection: Selection) -> Exported:
    """The selected spans, the oldest first; of a project those that arrived last.

    Raises RemoteError.
    """
    projects = server.projects()
    if selection.project is not None and selection.project not in projects:
        raise RemoteError(f"{server.name}: {no_project(selection.project, list(projects))}")
    project_id, found = _chosen(server, selection, projects)
    kept: list[SpanJson] = []
    more = False
    for span in _wanted(server, project_id, found, selection):
        if selection.limit is not None and len(kept) == selection.limit:
            more = True
            break
        kept.append(span)
    kept.sort(key=lambda span: (span["start_time"], span["context"]["span_id"]))
    return Exported(kept, more)


def _wanted(
    server: Phoenix, project_id: str, found: Iterable[Json], selection: Selection
) -> Iterator[SpanJson]:
    """The spans that are wanted, with what was said of them, asked for only where it is."""
    asked = selection.filter.columns if selection.filter is not None else ()
    decisive = any(column.startswith(("annotations.", "evaluations.")) for column in asked)
    spans = map(_json, found)
    while some := list(islice(spans, _AT_ONCE)):
        if decisive:
            some = list(_judged(server, project_id, some))
        kept = [span for span in some if selection.wants(span)]
        yield from kept if decisive else _judged(server, project_id, kept)


def _chosen(
    server: Phoenix, selection: Selection, projects: dict[str, str]
) -> tuple[str, Iterable[Json]]:
    """The project's id, and the spans that may be selected."""
    if selection.session_id is not None:
        _, session = session_named(server, selection.session_id, projects)
        return session.project_id, server.traces(session.project_id, session.trace_ids)
    if selection.trace_id is None and selection.span_id is None:
        project_id = projects[str(selection.project)]
        return project_id, server.latest(project_id, **_parameters(selection))
    some = [selection.project] if selection.project is not None else list(projects)
    for name in some:
        found = list(_of_id(server, selection, projects[name]))
        if found:
            return projects[name], found
    kind, identity = selection.what
    raise RemoteError(f"{server.name} has no {kind} {identity!r}")


def _of_id(server: Phoenix, selection: Selection, project_id: str) -> Iterable[Json]:
    if selection.trace_id is not None:
        return server.traces(project_id, [selection.trace_id.lower()])
    return server.span(project_id, str(selection.span_id).lower())


def _parameters(selection: Selection) -> dict[str, Any]:
    """What the server can leave out already; an older one ignores some of it."""
    wanted: dict[str, Any] = {}
    if selection.since_ns is not None:
        wanted["start_time"] = iso_time(selection.since_ns)
    if selection.until_ns is not None:
        wanted["end_time"] = iso_time(selection.until_ns)
    if selection.filter is not None:
        for column, parameter in _PARAMETERS.items():
            text = selection.filter.demands(column)
            if text is not None:
                wanted[parameter] = [text]
    return wanted


def _json(told: Json) -> SpanJson:
    """The span in our form; what the server says beside the attributes is one of them too."""
    span = read(told)
    events = [_event(each) for each in span.events]
    fields: SpanJson = {
        "name": span.name,
        "context": {"trace_id": span.trace_id, "span_id": span.span_id},
        "kind": span.kind,
        "parent_id": span.parent_id,
        "start_time": iso_time(span.start_ns),
        "end_time": None if span.end_ns is None else iso_time(span.end_ns),
        "status_code": span.status_code,
        "status_message": span.status_message,
        "attributes": {_KIND: span.kind, **_together(span)},
        "annotations": [],
        "evaluations": [],
        "events": events,
    }
    return {name: value for name, value in fields.items() if value is not None}


def _together(span: RemoteSpan) -> Json:
    """The attributes, with those that are JSON texts in our spans as such again."""
    told = dict(span.attributes)
    for name in _JSON_TEXTS:
        apart = [each for each in told if each.startswith(name + ".")]
        if apart and name not in told:
            told[name] = json_text(span.below(name))
            for each in apart:
                del told[each]
    return told


def _event(told: Any) -> Json:
    attributes = {k: v for k, v in told_by(told).items() if v is not None}
    return {"name": told.get("name"), "timestamp": told.get("timestamp"), "attributes": attributes}


def _judged(server: Phoenix, project_id: str, spans: list[SpanJson]) -> Iterator[SpanJson]:
    """The spans with what the server has of people's annotations and of evaluations."""
    if not spans:
        return
    by_span: dict[str, tuple[list[Json], list[Json]]] = {}
    for told in server.annotations(project_id, [span["context"]["span_id"] for span in spans]):
        humans, others = by_span.setdefault(told["span_id"], ([], []))
        (humans if told.get("annotator_kind") == "HUMAN" else others).append(_verdict(told))
    for span in spans:
        humans, others = by_span.get(span["context"]["span_id"], ([], []))
        yield {**span, "annotations": humans, "evaluations": others}


def _verdict(told: Json) -> Json:
    result = told.get("result") or {}
    fields = {
        "name": told.get("name"),
        "annotator_kind": told.get("annotator_kind"),
        "label": result.get("label"),
        "score": result.get("score"),
        "explanation": result.get("explanation"),
        "identifier": told.get("identifier") or None,
        "metadata": told.get("metadata") or None,
        "created_at": told.get("created_at"),
        "updated_at": told.get("updated_at"),
    }
    return {name: value for name, value in fields.items() if value is not None}
