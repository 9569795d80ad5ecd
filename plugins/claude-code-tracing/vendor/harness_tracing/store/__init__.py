"""The local store: every traced session in one SQLite file (see schema.sql).

A command needs little of it and has to start fast: each part is imported when it is used.
"""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Collection, Iterable, Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional

from harness_tracing.model import Session, Turn, trace_id
from harness_tracing.store.database import (
    explained,
    has,
    has_table,
    open_database,
    snapshot,
    transaction,
)

if TYPE_CHECKING:
    from datetime import tzinfo
    from types import TracebackType

    from harness_tracing.store import digest as _digest
    from harness_tracing.store import evaluations as _evaluations
    from harness_tracing.store import listing as _listing
    from harness_tracing.store import matching as _matching
    from harness_tracing.store import outbox as _outbox
    from harness_tracing.store import proposals as _proposals
    from harness_tracing.store import prune as _prune
    from harness_tracing.store import pushes as _pushes
    from harness_tracing.store import rates as _rates
    from harness_tracing.store import read as _read
    from harness_tracing.store import recent as _recent
    from harness_tracing.store import search as _search
    from harness_tracing.store import terms as _terms
    from harness_tracing.store import usage as _usage
    from harness_tracing.store import verdicts as _verdicts
    from harness_tracing.store import write as _write
    from harness_tracing.store.choice import TurnChoice
    from harness_tracing.store.evaluations import Evaluations
    from harness_tracing.store.listing import SessionRow
    from harness_tracing.store.matching import TurnRef, Where
    from harness_tracing.store.outbox import Account, Batch, LeasedTurn, Outbox, Queue
    from harness_tracing.store.outbox_rows import enqueue
    from harness_tracing.store.proposals import ProposalRow, Proposals
    from harness_tracing.store.prune import StoreStats
    from harness_tracing.store.pushes import Due, Hold, Pushes, PushQueue
    from harness_tracing.store.rates import RateRow, VerdictCounts
    from harness_tracing.store.read import AgentRow, ProjectRow, TurnRow
    from harness_tracing.store.recent import News, Seen
    from harness_tracing.store.search import Found
    from harness_tracing.store.task_queue import Outcome, PutOff, QueueCounts, TaskItem, TaskQueue
    from harness_tracing.store.terms import Term
    from harness_tracing.store.usage import UsageRow
    from harness_tracing.store.verdicts import Annotation, TurnFacts
    from harness_tracing.store.write import (
        OnSettled,
        Prepared,
        SessionChange,
        Settled,
        TurnWrite,
        Written,
    )
else:

    class _Part:
        """A module of the store, imported when something of it is used."""

        def __init__(self, name):
            self._name = f"{__name__}.{name}"

        def __getattr__(self, name):
            found = self.__dict__[name] = getattr(import_module(self._name), name)
            return found

    _digest, _listing, _matching = _Part("digest"), _Part("listing"), _Part("matching")
    _outbox, _prune, _read = _Part("outbox"), _Part("prune"), _Part("read")
    _recent, _search, _terms = _Part("recent"), _Part("search"), _Part("terms")
    _evaluations, _proposals = _Part("evaluations"), _Part("proposals")
    _pushes, _rates = _Part("pushes"), _Part("rates")
    _usage, _verdicts, _write = _Part("usage"), _Part("verdicts"), _Part("write")

__all__ = [
    "Account",
    "AgentRow",
    "Annotation",
    "Batch",
    "Due",
    "Evaluations",
    "Found",
    "Hold",
    "LeasedTurn",
    "News",
    "OnSettled",
    "Outbox",
    "Outcome",
    "Prepared",
    "ProjectRow",
    "ProposalRow",
    "Proposals",
    "PushQueue",
    "Pushes",
    "PutOff",
    "Queue",
    "QueueCounts",
    "RateRow",
    "Seen",
    "SessionChange",
    "SessionRow",
    "Settled",
    "Store",
    "StoreStats",
    "TaskItem",
    "TaskQueue",
    "Term",
    "TurnChoice",
    "TurnFacts",
    "TurnRef",
    "TurnRow",
    "TurnWrite",
    "UsageRow",
    "VerdictCounts",
    "Where",
    "Written",
    "enqueue",
]

_MUCH_CACHE_KB, _MUCH_LOG_PAGES = 16_000, 2048
_HOLDERS = {
    "Account": "outbox",
    "AgentRow": "read",
    "Annotation": "verdicts",
    "Batch": "outbox",
    "Due": "pushes",
    "Evaluations": "evaluations",
    "Found": "search",
    "Hold": "pushes",
    "LeasedTurn": "outbox",
    "News": "recent",
    "OnSettled": "write",
    "Outbox": "outbox",
    "Outcome": "task_queue",
    "Prepared": "write",
    "ProjectRow": "read",
    "ProposalRow": "proposals",
    "Proposals": "proposals",
    "PushQueue": "pushes",
    "Pushes": "pushes",
    "PutOff": "task_queue",
    "Queue": "outbox",
    "QueueCounts": "task_queue",
    "RateRow": "rates",
    "Seen": "recent",
    "SessionChange": "write",
    "SessionRow": "listing",
    "Settled": "write",
    "StoreStats": "prune",
    "TaskItem": "task_queue",
    "TaskQueue": "task_queue",
    "Term": "terms",
    "TurnChoice": "choice",
    "TurnFacts": "verdicts",
    "TurnRef": "matching",
    "TurnRow": "read",
    "TurnWrite": "write",
    "UsageRow": "usage",
    "VerdictCounts": "rates",
    "Where": "matching",
    "Written": "write",
    "enqueue": "outbox_rows",
}
"""The module that has each of the names above."""


def __getattr__(name: str) -> Any:
    if name not in _HOLDERS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"{__name__}.{_HOLDERS[name]}"), name)
    return value


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

    def write(
        self,
        change: SessionChange,
        on_settled: Optional[OnSettled] = None,
        *,
        index: bool = True,
    ) -> Written:
        """Store a change in one transaction, which `on_settled` is part of.

        A final turn keeps its header; only steps it does not have yet, and steps that still
        ran when it became final, are added to it, as late ones. Writing the same twice
        stores it once. Repository facts are those of the first write that has any.
        `on_settled` is called with each turn the write is about (see `enqueue`). Without
        `index` the words of its turns can be searched after `catch_up`.
        """
        prepared = _write.prepare(change)
        with explained(self.path), transaction(self._connection):
            written = _write.write_change(self._connection, prepared, on_settled)
            _digest.take_in(self._connection, (written,), index=index)
            return written

    def expect_much(self) -> None:
        """Make ready for writing many sessions: more in memory, the log folded in less often."""
        with explained(self.path):
            # They are for writers that know of no sums; each costs every insert a note to undo it.
            if sys.version_info >= (3, 12):
                self._connection.setconfig(sqlite3.SQLITE_DBCONFIG_ENABLE_TRIGGER, False)
            self._connection.execute(f"PRAGMA cache_size = -{_MUCH_CACHE_KB}")
            self._connection.execute(f"PRAGMA wal_autocheckpoint = {_MUCH_LOG_PAGES}")

    @staticmethod
    def prepare(change: SessionChange) -> Prepared:
        """What can be done of a write without the store, for `write_all`."""
        return _write.prepare(change)

    def write_all(self, changes: Sequence[Prepared], *, index: bool = True) -> None:
        """Store changes, all in one transaction and in this order; see `write`."""
        with explained(self.path), transaction(self._connection):
            written = [_write.write_change(self._connection, each, None) for each in changes]
            _digest.take_in(self._connection, written, index=index)

    @property
    def outbox(self) -> Outbox:
        """What still has to be sent, and where."""
        return _outbox.Outbox(self.path, self._connection)

    def has_unsent(self) -> bool:
        """Whether anything waits in the outbox, or was sent and may have to be read back."""
        with explained(self.path):
            # The first condition is that of an index.
            open_rows = "outbox WHERE state IN ('waiting', 'sent', 'dead') AND state != 'dead'"
            return has(self._connection, open_rows)

    def has_unjudged(self) -> bool:
        """Whether a task has something left to judge."""
        with explained(self.path):
            rows = ("task_items WHERE state = 'waiting'", "task_runs WHERE status = 'running'")
            known = has_table(self._connection, "task_items")
            return known and any(has(self._connection, each) for each in rows)

    def has_unpushed(self) -> bool:
        """Whether an annotation may have to go where its span went."""
        with explained(self.path):
            known = has_table(self._connection, "pushes")
            return known and has(self._connection, "annotations WHERE unpushed = 1")

    @property
    def evaluations(self) -> Evaluations:
        """Evaluators that somebody made, tasks, and what came of them."""
        return _evaluations.Evaluations(self.path, self._connection)

    @property
    def pushes(self) -> Pushes:
        """Which annotations still have to go where their spans went."""
        return _pushes.Pushes(self.path, self._connection)

    @property
    def proposals(self) -> Proposals:
        """What was proposed to make an agent better."""
        return _proposals.Proposals(self.path, self._connection)

    def sessions(
        self,
        *,
        agent: Optional[str] = None,
        project: Optional[str] = None,
        since_ns: Optional[int] = None,
        until_ns: Optional[int] = None,
        text: Optional[str] = None,
        failed: bool = False,
        limit: Optional[int] = None,
    ) -> list[SessionRow]:
        """Sessions that match, the latest active first.

        `since_ns`: with an event since; `until_ns`: begun before; `failed`: with a failure;
        `text`: with a turn that holds all its words (see terms.parse, which raises FilterError).
        """
        terms = _terms.parse(text) if text is not None else ()
        choice = _listing.Choice(agent, project, since_ns, until_ns, terms, failed, limit)
        with explained(self.path), snapshot(self._connection):
            return _listing.session_rows(self._connection, choice)

    def session(self, session_id: str, agent: Optional[str] = None) -> Optional[SessionRow]:
        """The session of that id or unique beginning of one; StoreError names several."""
        with explained(self.path), snapshot(self._connection):
            return _listing.session_row(self._connection, session_id, agent)

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
            # There are none as a rule, and then nothing need be loaded.
            if not has(self._connection, "turns WHERE final = 0"):
                return []
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

    def matching_turns(
        self,
        *,
        project: Optional[str] = None,
        session: Optional[tuple[str, str]] = None,
        since_ns: Optional[int] = None,
        until_ns: Optional[int] = None,
        where: Optional[Where] = None,
    ) -> list[TurnRef]:
        """The turns that began in that time and may hold a row as `where` says, latest first.

        `session` is an agent and the id of a session of its. What they hold is not read.
        """
        with explained(self.path):
            return _matching.turns(
                self._connection,
                project=project,
                session=session,
                since_ns=since_ns,
                until_ns=until_ns,
                where=where,
            )

    def annotate(
        self, agent: str, session_id: str, annotations: Iterable[Annotation], now_ns: int
    ) -> None:
        """Write what was said of a session's spans, replacing what has the same identity.

        What says the same already stays as it is, with its times.
        """
        with explained(self.path), transaction(self._connection):
            _verdicts.write(self._connection, agent, session_id, annotations, now_ns)

    def annotations(self, agent: str, session_id: str) -> list[Annotation]:
        """What was said of a session and its spans, the first written first."""
        with explained(self.path):
            return _verdicts.read(self._connection, agent, session_id)

    def annotations_between(
        self,
        *,
        project: Optional[str] = None,
        since_ns: Optional[int] = None,
        until_ns: Optional[int] = None,
        names: Optional[Collection[str]] = None,
        agent: Optional[str] = None,
    ) -> Iterator[tuple[Annotation, TurnFacts]]:
        """What was said of turns that began in that time, in their order, with facts of the turn.

        What is said of a whole session counts where that began. `until_ns` is not part of the time.
        """
        with explained(self.path):
            yield from _verdicts.between(
                self._connection,
                project=project,
                since_ns=since_ns,
                until_ns=until_ns,
                names=names,
                agent=agent,
            )

    def delete_annotation(
        self, agent: str, session_id: str, span_id: str, name: str, identifier: str = ""
    ) -> bool:
        """Delete what was said under that name; False when there is nothing."""
        with explained(self.path), transaction(self._connection):
            return _verdicts.delete(self._connection, agent, session_id, span_id, name, identifier)

    def search(self, query: str, where: TurnChoice, limit: int) -> list[Found]:
        """The turns that hold all words of the query, the best first (see terms.parse)."""
        terms = _terms.parse(query)
        with explained(self.path), snapshot(self._connection):
            return _search.found(self._connection, terms, where, limit)

    def has_search_index(self) -> bool:
        """Whether this Python can use an index; searches read every turn without."""
        with explained(self.path):
            return _search.is_possible(self._connection)

    def usage(
        self, by: Sequence[str], where: TurnChoice, zone: Optional[tzinfo] = None
    ) -> list[UsageRow]:
        """What turns did and cost, in groups `by` day, project, agent and model or tool.

        Days are those of `zone`, None: the user's.
        """
        with explained(self.path), snapshot(self._connection):
            return _usage.rows(self._connection, by, where, zone)

    def rates(
        self, by: Sequence[str], where: TurnChoice, zone: Optional[tzinfo] = None
    ) -> list[RateRow]:
        """How often verdicts of code and models passed, in groups `by` RATE_GROUPS.

        Days are those of the judged turns, in `zone`, None: the user's.
        """
        with explained(self.path), snapshot(self._connection):
            return _rates.rows(self._connection, by, where, zone)

    def verdict_counts(
        self, sessions: Iterable[tuple[str, str]]
    ) -> dict[tuple[str, str], tuple[VerdictCounts, int]]:
        """Verdicts of each of these sessions (agent, id), and how many annotations of people."""
        with explained(self.path), snapshot(self._connection):
            return _rates.of_sessions(self._connection, sessions)

    def backlog(self) -> int:
        """How many turns are not in the index, or not added up: an older version wrote them."""
        with explained(self.path):
            return _digest.backlog(self._connection)

    def catch_up(self) -> int:
        """Work some turns of the backlog off; returns how many. Others can write in between."""
        with explained(self.path):
            return _digest.catch_up(self._connection)

    def seen_by_now(self) -> Seen:
        """All that is stored now, as seen: see `news`."""
        with explained(self.path), snapshot(self._connection):
            return _recent.seen_by_now(self._connection)

    def news(self, seen: Seen) -> tuple[list[News], Seen]:
        """Turns that began or ended and steps that were done since, and what is seen now."""
        with explained(self.path), snapshot(self._connection):
            return _recent.news(self._connection, seen)

    def data_version(self) -> int:
        """A number that changes whenever another connection has written."""
        with explained(self.path):
            return int(self._connection.execute("PRAGMA data_version").fetchone()[0])
