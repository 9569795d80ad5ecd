"""Spans out of the store as plain JSON: which ones, in which shape, under which file name."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

from harness_tracing import __version__
from harness_tracing.errors import StoreError
from harness_tracing.model import Session, Turn
from harness_tracing.observe.filter import Filter
from harness_tracing.prices import PriceTable
from harness_tracing.spans import Shape, spans, to_json
from harness_tracing.store import SessionRow, Store

_FOLDER = ".arize-tmp-traces"
_UNSAFE_IN_NAMES = re.compile(r"[^A-Za-z0-9._-]+")
_LONGEST_ID = 100

SpanJson = dict[str, Any]


@dataclass(frozen=True)
class Selection:
    """Which spans: those of one session, trace or span, or a project's turns `since_ns`.

    At most one of the three ids is set. `limit` counts spans after the filter, the latest
    turns first; None: all.
    """

    project: Optional[str] = None
    session_id: Optional[str] = None
    trace_id: Optional[str] = None
    span_id: Optional[str] = None
    since_ns: Optional[int] = None
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
    table = PriceTable.load()
    kept: list[list[SpanJson]] = []
    room = selection.limit
    for session, turn in _turns_latest_first(store, selection):
        built = spans(turn, session, shape, table, harness_version=__version__)
        found = [span for span in map(to_json, built) if _is_wanted(span, selection)]
        if room is not None and len(found) > room:
            kept.append(found[:room])
            return Exported(_flat(reversed(kept)), more=True)
        kept.append(found)
        room = None if room is None else room - len(found)
    if selection.span_id is not None and selection.filter is None and not any(kept):
        raise StoreError(
            f"span {selection.span_id} is not part of shape {shape}; "
            f"try --shape {'calls' if shape == 'turns' else 'turns'}"
        )
    return Exported(_flat(reversed(kept)))


def _is_wanted(span: SpanJson, selection: Selection) -> bool:
    if selection.span_id is not None and span["context"]["span_id"] != selection.span_id.lower():
        return False
    return selection.filter is None or selection.filter.matches(span)


def _flat(lists: Iterable[list[SpanJson]]) -> list[SpanJson]:
    return [span for spans_of_turn in lists for span in spans_of_turn]


def _turns_latest_first(store: Store, selection: Selection) -> Iterator[tuple[Session, Turn]]:
    if selection.trace_id is not None or selection.span_id is not None:
        yield _turn_of_id(store, selection)
        return
    since_ns = selection.since_ns
    for row in _sessions(store, selection):
        for turn in reversed(store.turns(row.agent, row.session_id)):
            if since_ns is None or turn.started_at_ns >= since_ns:
                yield row.session, turn


def _turn_of_id(store: Store, selection: Selection) -> tuple[Session, Turn]:
    kind, name = selection.what
    by_id = store.turn_by_trace_id if kind == "trace" else store.turn_by_span_id
    turn = by_id(name)
    row = store.session(turn.session_id, turn.agent) if turn else None
    if turn is None or row is None:
        raise StoreError(f"there is no {kind} {name!r} in the store")
    _check_project(row, selection)
    return row.session, turn


def _sessions(store: Store, selection: Selection) -> list[SessionRow]:
    if selection.session_id is not None:
        row = store.session(selection.session_id)
        if row is None:
            raise NoSessionError(
                f"there is no session {selection.session_id!r}; see `harness sessions list`"
            )
        _check_project(row, selection)
        return [row]
    rows = store.sessions(project=selection.project, since_ns=selection.since_ns)
    if not rows and not any(project.project == selection.project for project in store.projects()):
        raise StoreError(f"there is no project {selection.project!r}; see `harness projects list`")
    return rows


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
