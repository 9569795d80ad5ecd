"""Spans out of the store as plain JSON: which ones, in which shape, under which file name."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

from harness_tracing import __version__
from harness_tracing.errors import StoreError
from harness_tracing.model import Session
from harness_tracing.model import trace_id as derived_trace_id
from harness_tracing.observe.filter import Filter
from harness_tracing.observe.verdicts import Verdicts, by_span
from harness_tracing.prices import PriceTable
from harness_tracing.spans import Shape, Span, spans, to_json
from harness_tracing.store import SessionRow, Store, TurnRef

_FOLDER = ".arize-tmp-traces"
_UNSAFE_IN_NAMES = re.compile(r"[^A-Za-z0-9._-]+")
_LONGEST_ID = 100
_SHOWN_PROJECTS = 10

SpanJson = dict[str, Any]


@dataclass(frozen=True)
class Selection:
    """Which spans: those of one session, trace or span, or of a project's turns.

    At most one of the three ids is set. Turns began at `since_ns` or later and before
    `until_ns`. `limit` counts spans after the filter, the latest turns first; None: all.
    """

    project: Optional[str] = None
    session_id: Optional[str] = None
    trace_id: Optional[str] = None
    span_id: Optional[str] = None
    since_ns: Optional[int] = None
    until_ns: Optional[int] = None
    limit: Optional[int] = None
    filter: Optional[Filter] = None

    @property
    def what(self) -> tuple[str, str]:
        """The kind and name of what is selected, as the default folder names them."""
        for kind in ("session", "trace", "span"):
            name = getattr(self, kind + "_id")
            if name is not None:
                return kind, name
        return "spans", self.project or "all"

    def wants(self, span: SpanJson) -> bool:
        """Whether a span of the turns that were chosen is one of those to export."""
        if self.span_id is not None and span["context"]["span_id"] != self.span_id.lower():
            return False
        return self.filter is None or self.filter.matches(span)


@dataclass(frozen=True)
class Exported:
    """Exported spans in order of their turns. `more`: the limit left some out."""

    spans: list[SpanJson]
    more: bool = False


class NoSessionError(StoreError):
    """A session was asked for that nothing was traced of."""


def exported(store: Store, selection: Selection, shape: Shape) -> Exported:
    """The selected spans in the JSON form of the span export (design: command line).

    Spans that still run have no `end_time`. Raises StoreError when the trace, span or
    project is not there, NoSessionError when the session is not.
    """
    turns = _Turns(store, shape)
    found = latest(
        (
            [span for span in turns.spans(ref) if selection.wants(span)]
            for ref in _refs(store, selection, shape)
        ),
        selection.limit,
    )
    if selection.span_id is not None and selection.filter is None and not found.spans:
        raise StoreError(
            f"span {selection.span_id} is not part of shape {shape}; "
            f"try --shape {'calls' if shape == 'turns' else 'turns'}"
        )
    return found


def latest(turns: Iterable[list[SpanJson]], limit: Optional[int]) -> Exported:
    """The spans of these turns, which come latest first, up to the limit; the oldest first."""
    kept: list[list[SpanJson]] = []
    room, more = limit, False
    for spans_of_turn in turns:
        if room is not None and len(spans_of_turn) > room:
            kept.append(spans_of_turn[:room])
            more = True
            break
        kept.append(spans_of_turn)
        room = None if room is None else room - len(spans_of_turn)
    return Exported([span for each in reversed(kept) for span in each], more)


class _Turns:
    """Turns of the store as spans with what was said of them; each session is looked up once."""

    def __init__(self, store: Store, shape: Shape) -> None:
        self._store = store
        self._shape = shape
        self._prices = PriceTable.load()
        self._sessions: dict[tuple[str, str], Optional[Session]] = {}
        self._said: dict[tuple[str, str], dict[str, Verdicts]] = {}

    def spans(self, ref: TurnRef) -> list[SpanJson]:
        """The spans of a turn; none when it was deleted meanwhile."""
        key = (ref.agent, ref.session_id)
        if key not in self._sessions:
            row = self._store.session(ref.session_id, ref.agent)
            self._sessions[key] = row.session if row else None
            self._said[key] = by_span(self._store.annotations(*key))
        session, turn = self._sessions[key], self._store.turn_by_trace_id(ref.trace_id)
        if session is None or turn is None:
            return []
        return [
            self._json(span, self._said[key])
            for span in spans(turn, session, self._shape, self._prices, harness_version=__version__)
        ]

    def _json(self, span: Span, said: Mapping[str, Verdicts]) -> SpanJson:
        verdicts = said.get(span.span_id, Verdicts())
        return to_json(span, verdicts.annotations, verdicts.evaluations)


def _refs(store: Store, selection: Selection, shape: Shape) -> list[TurnRef]:
    """The turns that may hold what is selected, the latest first."""
    where = selection.filter.where(shape) if selection.filter is not None else None
    if selection.trace_id is not None or selection.span_id is not None:
        return [_turn_of_id(store, selection)]
    if selection.session_id is not None:
        row = store.session(selection.session_id)
        if row is None:
            raise NoSessionError(
                f"there is no session {selection.session_id!r}; see `harness sessions list`"
            )
        _check_project(row, selection)
        chosen = {"session": (row.agent, row.session_id)}
    else:
        _check_there_is(selection.project, store)
        chosen = {}
    return store.matching_turns(
        project=selection.project,
        since_ns=selection.since_ns,
        until_ns=selection.until_ns,
        where=where,
        **chosen,
    )


def _turn_of_id(store: Store, selection: Selection) -> TurnRef:
    kind, name = selection.what
    by_id = store.turn_by_trace_id if kind == "trace" else store.turn_by_span_id
    turn = by_id(name)
    row = store.session(turn.session_id, turn.agent) if turn else None
    if turn is None or row is None:
        raise StoreError(f"there is no {kind} {name!r} in the store")
    _check_project(row, selection)
    own_trace = derived_trace_id(turn.agent, turn.session_id, turn.turn_id)
    return TurnRef(turn.agent, turn.session_id, own_trace)


def _check_there_is(project: Optional[str], store: Store) -> None:
    known = [row.project for row in store.projects()]
    if project is None or project in known:
        return
    raise StoreError(no_project(project, known))


def no_project(project: str, known: Sequence[str]) -> str:
    """That there is no such project, and which there are."""
    if not known:
        return f"there is no project {project!r}, nor any other"
    shown = ", ".join(map(repr, known[:_SHOWN_PROJECTS]))
    more = ", …; see `harness projects list`" if len(known) > _SHOWN_PROJECTS else ""
    return f"there is no project {project!r}; there are {shown}{more}"


def _check_project(row: SessionRow, selection: Selection) -> None:
    if selection.project is not None and row.project != selection.project:
        raise StoreError(
            f"session {row.session_id} belongs to project {row.project!r}, "
            f"not to {selection.project!r}"
        )


def default_file(selection: Selection, now_ns: int) -> Path:
    """Where an export goes unless told otherwise, relative to the working folder.

    ``.arize-tmp-traces/session_<id>_20251231_140312/spans.json``; the time is the user's.
    """
    kind, name = selection.what
    safe = _UNSAFE_IN_NAMES.sub("_", name)[:_LONGEST_ID]
    now = datetime.datetime.fromtimestamp(now_ns / 1e9, datetime.timezone.utc).astimezone()
    return Path(_FOLDER) / f"{kind}_{safe}_{now:%Y%m%d_%H%M%S}" / "spans.json"
