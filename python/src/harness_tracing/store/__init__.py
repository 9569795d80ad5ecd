"""The local store: every traced session in one SQLite file (see schema.sql)."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from types import TracebackType
from typing import Optional

from harness_tracing.model import Session, Turn, trace_id
from harness_tracing.store import prune as _prune
from harness_tracing.store import read as _read
from harness_tracing.store.database import explained, open_database, snapshot, transaction
from harness_tracing.store.enqueue import enqueue
from harness_tracing.store.outbox import Account, Batch, LeasedTurn, Outbox, Queue
from harness_tracing.store.prune import StoreStats
from harness_tracing.store.read import AgentRow, ProjectRow, SessionRow, TurnRow
from harness_tracing.store.write import (
    OnSettled,
    SessionChange,
    Settled,
    TurnWrite,
    Written,
    write_change,
)

__all__ = [
    "Account",
    "AgentRow",
    "Batch",
    "LeasedTurn",
    "OnSettled",
    "Outbox",
    "ProjectRow",
    "Queue",
    "SessionChange",
    "SessionRow",
    "Settled",
    "Store",
    "StoreStats",
    "TurnRow",
    "TurnWrite",
    "Written",
    "enqueue",
]


class Store:
    """An open store. One object belongs to one thread; any number of processes may have one.

    Every method raises StoreError when the file cannot be used; the message says what to do.
    `warnings` holds what the user should know though it works.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection, warnings: tuple[str, ...]):
        """Wrap an open connection; use :meth:`open`."""
        self.path = path
        self.warnings = warnings
        self._connection = connection

    @classmethod
    def open(cls, path: Path, *, readonly: bool = False, network: Optional[str] = None) -> Store:
        """Open the store at `path`, creating or migrating it unless `readonly`.

        `network` names the network file system it lies on; None: find out. Raises
        StoreNewerError when a newer major version wrote it. A file that is damaged or not
        ours is left as it is.
        """
        database = open_database(path, readonly=readonly, network=network)
        return cls(path, database.connection, database.warnings)

    def close(self) -> None:
        """Close the file; the last one to do so folds the write-ahead log into it."""
        with explained(self.path):
            self._connection.close()

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self,
        error_type: Optional[type[BaseException]],
        error: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        self.close()

    def write(self, change: SessionChange, on_settled: Optional[OnSettled] = None) -> Written:
        """Store a change in one transaction, which `on_settled` is part of.

        A final turn keeps its header; only steps it does not have yet, and steps that still
        ran when it became final, are added to it, as late ones. Writing the same twice
        stores it once. Repository facts are those of the first write that has any.
        `on_settled` is called with each turn the write is about (see `enqueue`).
        """
        with explained(self.path), transaction(self._connection):
            return write_change(self._connection, change, on_settled)

    @property
    def outbox(self) -> Outbox:
        """What still has to be sent, and where."""
        return Outbox(self.path, self._connection)

    def sessions(
        self,
        *,
        agent: Optional[str] = None,
        project: Optional[str] = None,
        since_ns: Optional[int] = None,
        limit: Optional[int] = None,
    ) -> list[SessionRow]:
        """Sessions that match and had an event since, the latest active first."""
        with explained(self.path), snapshot(self._connection):
            return _read.session_rows(
                self._connection, agent=agent, project=project, since_ns=since_ns, limit=limit
            )

    def session(self, session_id: str, agent: Optional[str] = None) -> Optional[SessionRow]:
        """The session of that id or unique beginning of one; StoreError names several."""
        with explained(self.path), snapshot(self._connection):
            return _read.session_row(self._connection, session_id, agent)

    def turns(self, agent: str, session_id: str) -> list[Turn]:
        """The turns of a session in order, with their steps in order of start."""
        return [row.turn for row in self.turn_rows(agent, session_id)]

    def turn_rows(self, agent: str, session_id: str) -> list[TurnRow]:
        """The turns of a session with their cost and what is late in them."""
        with explained(self.path), snapshot(self._connection):
            return _read.turn_rows(self._connection, agent, session_id)

    def turn(self, agent: str, session_id: str, turn_id: str) -> Optional[Turn]:
        """The turn of that id, None when it is not stored (any more)."""
        return self.turn_by_trace_id(trace_id(agent, session_id, turn_id))

    def turn_row(self, agent: str, session_id: str, turn_id: str) -> Optional[TurnRow]:
        """The turn of that id with what is late in it, None when it is not stored (any more)."""
        with explained(self.path), snapshot(self._connection):
            return _read.turn_row(self._connection, trace_id(agent, session_id, turn_id))

    def final_turns(
        self,
        *,
        agent: Optional[str] = None,
        session_id: Optional[str] = None,
        project: Optional[str] = None,
        since_ns: Optional[int] = None,
    ) -> list[int]:
        """Keys of the final turns that match and began since, oldest first: for the outbox."""
        with explained(self.path):
            return _read.final_turns(
                self._connection,
                agent=agent,
                session_id=session_id,
                project=project,
                since_ns=since_ns,
            )

    def turn_by_trace_id(self, trace_id: str) -> Optional[Turn]:
        """The turn of a trace (32 hex digits)."""
        with explained(self.path), snapshot(self._connection):
            return _read.turn_by_trace_id(self._connection, trace_id)

    def turn_by_span_id(self, span_id: str) -> Optional[Turn]:
        """The turn that the span (16 hex digits) is, or is a step of."""
        with explained(self.path), snapshot(self._connection):
            return _read.turn_by_span_id(self._connection, span_id)

    def projects(self) -> list[ProjectRow]:
        """All projects, the latest active first."""
        with explained(self.path), snapshot(self._connection):
            return _read.project_rows(self._connection)

    def agents(self) -> list[AgentRow]:
        """All agents that have sessions, by name."""
        with explained(self.path), snapshot(self._connection):
            return _read.agent_rows(self._connection)

    def open_sessions(self) -> list[Session]:
        """Sessions that have a turn which is not final."""
        with explained(self.path):
            return _read.open_sessions(self._connection)

    def reader_state(self, agent: str, session_id: str) -> Optional[bytes]:
        """Where the session's next reader goes on, as of the last write that said so."""
        with explained(self.path):
            return _read.reader_state(self._connection, agent, session_id)

    def is_final(self, agent: str, session_id: str, turn_id: str) -> bool:
        """Whether that turn is stored and will not change any more."""
        with explained(self.path):
            return _read.is_final(self._connection, agent, session_id, turn_id)

    def delete_session(self, agent: str, session_id: str) -> bool:
        """Delete a session for good, on the disk too; False when there is none."""
        with explained(self.path):
            return _prune.delete_session(self._connection, agent, session_id)

    def prune(self, older_than_ns: int) -> int:
        """Delete every session whose last event is older, on the disk too; returns how many."""
        with explained(self.path):
            return _prune.prune(self._connection, older_than_ns)

    def stats(self) -> StoreStats:
        """What the store holds and weighs."""
        with explained(self.path), snapshot(self._connection):
            return _prune.stats(self._connection, self.path)
