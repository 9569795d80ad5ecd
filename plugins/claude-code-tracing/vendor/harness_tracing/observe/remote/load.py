"""Sessions of a server in a store of their own: every command reads them as it does ours."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Optional

from openinference.semconv.trace import SpanAttributes

from harness_tracing.errors import RemoteError
from harness_tracing.observe import values
from harness_tracing.observe.export import no_project
from harness_tracing.observe.remote.fields import RemoteSpan, read
from harness_tracing.observe.remote.phoenix import Json, Phoenix, RemoteSession
from harness_tracing.observe.remote.turns import session_of
from harness_tracing.spans import attributes as key
from harness_tracing.store import ProjectRow, Store

_LISTED = 50
# What lists show: of every span how it went and what it counts, of top spans the prompt too.
_FIELDS = ("name", "span_kind", "trace_id", "parent_id", "start_time", "end_time", "status_code")
_OUTLINE = (
    SpanAttributes.SESSION_ID,
    SpanAttributes.LLM_MODEL_NAME,
    SpanAttributes.LLM_TOKEN_COUNT_PROMPT,
    SpanAttributes.LLM_TOKEN_COUNT_COMPLETION,
    SpanAttributes.LLM_TOKEN_COUNT_PROMPT_DETAILS_CACHE_READ,
    SpanAttributes.LLM_TOKEN_COUNT_PROMPT_DETAILS_CACHE_WRITE,
    SpanAttributes.LLM_COST_TOTAL,
    SpanAttributes.TOOL_NAME,
    SpanAttributes.TOOL_ID,
    SpanAttributes.AGENT_NAME,
    key.SPAN_TYPE,
    key.HARNESS_AGENT,
    key.TURN_ID,
    key.TURN_NUMBER,
    key.TURN_STATUS,
    key.TOOL_STATUS,
    key.CALL_ID,
    key.SUBAGENT_ID,
    key.SUBAGENT_STATUS,
    key.UNPRICED_MODELS,
)
_PROMPT = SpanAttributes.INPUT_VALUE


@dataclass(frozen=True)
class Wanted:
    """Which sessions to load: one, by its id or the beginning of it, or the latest active."""

    session_id: Optional[str] = None
    project: Optional[str] = None
    since_ns: Optional[int] = None
    limit: Optional[int] = None


@dataclass(frozen=True)
class Loaded:
    """What was done: `left_out` sessions that match lie beyond the limit."""

    left_out: int = 0


def load(store: Store, server: Phoenix, wanted: Wanted) -> Loaded:
    """Put the sessions into the store; one that was asked for by its id with all its contents.

    Raises RemoteError.
    """
    projects = server.projects()
    if wanted.session_id is not None:
        _load_one(store, server, wanted.session_id, projects)
        return Loaded()
    chosen = _projects(server, projects, wanted.project)
    found = [
        (name, session)
        for name, project_id in chosen.items()
        for session in server.sessions(project_id)
        if wanted.since_ns is None or _ended_ns(session) >= wanted.since_ns
    ]
    found.sort(key=lambda each: _ended_ns(each[1]), reverse=True)
    limit = wanted.limit or _LISTED
    for name in chosen:
        some = [session for project, session in found[:limit] if project == name]
        _load_outlines(store, server, name, some)
    return Loaded(left_out=max(0, len(found) - limit))


def project_rows(server: Phoenix) -> list[ProjectRow]:
    """The server's projects as lists show them; it does not say whose sessions they hold."""
    rows = []
    for name, project_id in server.projects().items():
        sessions = server.sessions(project_id)
        last_ns = max(map(_ended_ns, sessions), default=None)
        turns = sum(len(session.trace_ids) for session in sessions)
        rows.append(ProjectRow(name, (), len(sessions), turns, last_ns))
    return sorted(rows, key=lambda row: (-(row.last_event_ns or 0), row.project))


def session_named(
    server: Phoenix, session_id: str, projects: dict[str, str]
) -> tuple[str, RemoteSession]:
    """The session of that id or unique beginning of one, with its project's name."""
    names = {project_id: name for name, project_id in projects.items()}
    exact = server.session(session_id)
    if exact is not None and exact.session_id == session_id:
        return names.get(exact.project_id, exact.project_id), exact
    found = [
        (name, session)
        for name, project_id in projects.items()
        for session in server.sessions(project_id)
        if session.session_id.startswith(session_id)
    ]
    found = [each for each in found if each[1].session_id == session_id] or found
    if len(found) > 1:
        listed = ", ".join(session.session_id for _, session in found[:10])
        raise RemoteError(f"{session_id!r} is the beginning of several sessions: {listed}")
    if not found:
        raise RemoteError(
            f"{server.name} has no session {session_id!r}; "
            "see `harness sessions list --from phoenix`"
        )
    return found[0]


def _projects(server: Phoenix, known: dict[str, str], name: Optional[str]) -> dict[str, str]:
    if name is None:
        return known
    if name not in known:
        raise RemoteError(f"{server.name}: {no_project(name, list(known))}")
    return {name: known[name]}


def _load_one(store: Store, server: Phoenix, session_id: str, projects: dict[str, str]) -> None:
    project, session = session_named(server, session_id, projects)
    told = server.traces(session.project_id, session.trace_ids)
    store.write(session_of(session.session_id, project, _of_session(told, session.session_id)))


def _load_outlines(
    store: Store, server: Phoenix, project: str, sessions: Sequence[RemoteSession]
) -> None:
    trace_ids = [trace for session in sessions for trace in session.trace_ids]
    outlines: dict[str, Json] = {}
    for row in server.outlines(project, trace_ids, "", (*_FIELDS, *_OUTLINE)):
        outlines[row["context.span_id"]] = _outline(row)
    for row in server.outlines(project, trace_ids, "parent_id is None", (_PROMPT,)):
        of_span = outlines.get(row["context.span_id"])
        if of_span is not None:
            of_span["attributes"][_PROMPT] = row.get(_PROMPT)
    of_trace: dict[str, list[Json]] = {}
    for told in outlines.values():
        of_trace.setdefault(told["context"]["trace_id"], []).append(told)
    for session in sessions:
        own = [told for trace in session.trace_ids for told in of_trace.get(trace, ())]
        store.write(session_of(session.session_id, project, _of_session(own, session.session_id)))


def _outline(row: Json) -> Json:
    told: dict[str, Any] = {name: row.get(name) for name in _FIELDS}
    told["context"] = {"span_id": row["context.span_id"], "trace_id": row["context.trace_id"]}
    told["attributes"] = {name: row.get(name) for name in _OUTLINE}
    return told


def _of_session(told: Any, session_id: str) -> Iterator[RemoteSpan]:
    """Its spans: a trace that several sessions share, as below an outer one, holds others too."""
    for each in told:
        span = read(each, own_times=True)
        named = span.text(SpanAttributes.SESSION_ID)
        if named is None or named == session_id:
            yield span


def _ended_ns(session: RemoteSession) -> int:
    return values.instant_ns(session.ended_at) or 0
