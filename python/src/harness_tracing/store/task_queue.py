"""What tasks have yet to judge: taken up, settled together with its results, or put off.

Rows of continuous tasks are written by a trigger in the transaction that makes a turn final
(schema.sql). One process works at a time (`evaluate.child` holds a lock), so what is taken up
needs no lease: who finds a row finds it unsettled.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

from harness_tracing.store import codec, verdicts
from harness_tracing.store.database import explained, has_table, snapshot, transaction
from harness_tracing.store.verdicts import Annotation

SHORTEST_BACKOFF_NS = 60 * 10**9
LONGEST_BACKOFF_NS = 6 * 3600 * 10**9
FREE_ATTEMPTS = 2
"""So often a row is taken up again at once: whoever had it was killed, which is nobody's fault."""

_READY = (
    "tasks.paused = 0 AND {due}"
    " AND (tasks.waits_for IS NULL OR tasks.waits_for IN (SELECT value FROM json_each(:names)))"
)
# A time that lies further ahead than any backoff is a clock that was set back.
_DUE = "({0}.due_at_ns <= :now OR {0}.due_at_ns > :now + :longest)"
_ITEMS = (
    "FROM task_items AS i JOIN tasks USING (task_id) JOIN sessions USING (session_key)"
    " LEFT JOIN turns ON turns.turn_key = i.turn_key"
    f" WHERE i.state = 'waiting' AND {_READY.format(due=_DUE.format('tasks'))}"
    f" AND ({_DUE.format('i')}"
    " OR i.turn_key = 0 AND i.attempts = 0 AND sessions.ended_at_ns IS NOT NULL)"
    " AND (i.turn_key != 0 OR NOT EXISTS (SELECT 1 FROM turns AS o"
    " WHERE o.session_key = i.session_key AND o.final = 0))"
)
_RUNS = (
    "FROM task_runs AS r JOIN tasks USING (task_id) WHERE r.status = 'running'"
    f" AND r.kind = 'backfill' AND {_READY.format(due=_DUE.format('tasks'))}"
)


@dataclass(frozen=True)
class TaskItem:
    """A turn that a continuous task has yet to judge; `turn_id` None: the session as a whole.

    `attempts` counts this one.
    """

    task_id: str
    agent: str
    session_id: str
    turn_id: Optional[str]
    attempts: int
    session_key: int
    turn_key: int


@dataclass(frozen=True)
class PutOff:
    """Why an item could not be settled. `due_at_ns` None: it is not tried again by itself."""

    item: TaskItem
    error: str
    due_at_ns: Optional[int]


@dataclass(frozen=True)
class Outcome:
    """What came of judging some of a session: its results, and what is settled with them.

    The numbers are added to those of the run.
    """

    agent: str
    session_id: str
    annotations: tuple[Annotation, ...] = ()
    done: tuple[TaskItem, ...] = ()
    put_off: tuple[PutOff, ...] = ()
    run_id: Optional[str] = None
    judged: int = 0
    skipped: int = 0
    failed: int = 0
    spent_usd: float = 0.0


@dataclass(frozen=True)
class QueueCounts:
    """What a task has yet to judge: turns and sessions that wait, those of them that failed before,
    and those that are not tried again by themselves.

    `error` says why the task's judge cannot be asked, else what went wrong with one of them;
    `waits_for` names the variable whose key is missing. `due_at_ns`: when it is tried again.
    """

    waiting: int = 0
    failing: int = 0
    given_up: int = 0
    due_at_ns: Optional[int] = None
    error: Optional[str] = None
    waits_for: Optional[str] = None


class TaskQueue:
    """The rows of an open store. Each method is one transaction; StoreError as in `Store`."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        """Made by `Store.evaluations.queue`."""
        self._path, self._connection = path, connection

    def is_due(self, now_ns: int, names: Iterable[str]) -> bool:
        """Whether a process whose environment has variables of these names has something to do."""
        with explained(self._path):
            if not has_tables(self._connection):
                return False
            asked = _asked(now_ns, names)
            found = f"SELECT EXISTS (SELECT 1 {_ITEMS}) OR EXISTS (SELECT 1 {_RUNS})"
            return bool(self._connection.execute(found, asked).fetchone()[0])

    def due_tasks(self, now_ns: int, names: Iterable[str]) -> list[str]:
        """The ids of the tasks that have turns or sessions due, the oldest task first."""
        with explained(self._path), snapshot(self._connection):
            rows = self._connection.execute(
                "SELECT task_id FROM tasks WHERE task_id IN"
                f" (SELECT i.task_id {_ITEMS}) ORDER BY created_at_ns, task_id",
                _asked(now_ns, names),
            )
            return [row[0] for row in rows]

    def take(self, task_id: str, now_ns: int, names: Iterable[str], limit: int) -> list[TaskItem]:
        """Take up what is due of a task, session by session.

        What was taken up in vain several times is put off, so that what kills its process does not
        keep all the rest from being judged.
        """
        columns = (
            "SELECT i.task_id, sessions.agent, sessions.session_id, turns.turn_id,"
            " i.attempts + 1, i.session_key, i.turn_key"
        )
        with explained(self._path), transaction(self._connection):
            rows = self._connection.execute(
                f"{columns} {_ITEMS} AND i.task_id = :task_id"
                " ORDER BY i.session_key, i.turn_key LIMIT :limit",
                {**_asked(now_ns, names), "limit": limit, "task_id": task_id},
            ).fetchall()
            items = [TaskItem(*row) for row in rows]
            self._connection.executemany(
                "UPDATE task_items SET attempts = ?, due_at_ns = ? WHERE task_id = ?"
                " AND session_key = ? AND turn_key = ?",
                [(each.attempts, _again_ns(each, now_ns), *_key(each)) for each in items],
            )
        return items

    def due_runs(self, now_ns: int, names: Iterable[str]) -> list[str]:
        """The ids of one-time runs that have not ended and can be gone on with, oldest first."""
        with explained(self._path), snapshot(self._connection):
            rows = self._connection.execute(
                f"SELECT r.run_id {_RUNS} ORDER BY r.started_at_ns", _asked(now_ns, names)
            )
            return [row[0] for row in rows]

    def settle(self, outcome: Outcome, now_ns: int) -> None:
        """Write results and what is settled with them, all or nothing.

        The results of a session that was deleted meanwhile are dropped with their items.
        """
        with explained(self._path), transaction(self._connection):
            if verdicts.has_session(self._connection, outcome.agent, outcome.session_id):
                verdicts.write(
                    self._connection,
                    outcome.agent,
                    outcome.session_id,
                    outcome.annotations,
                    now_ns,
                )
            self._connection.executemany(
                "DELETE FROM task_items WHERE task_id = ? AND session_key = ? AND turn_key = ?",
                [_key(each) for each in outcome.done],
            )
            for each in outcome.put_off:
                self._put_off(each)
            self._connection.execute(
                "UPDATE task_runs SET judged = judged + ?, skipped = skipped + ?,"
                " failed = failed + ?, spent_usd = spent_usd + ?, attempts = 0 WHERE run_id = ?",
                (
                    outcome.judged,
                    outcome.skipped,
                    outcome.failed,
                    outcome.spent_usd,
                    outcome.run_id,
                ),
            )

    def put_off(self, items: Iterable[PutOff]) -> None:
        """Note why items could not be settled, and when they are tried again."""
        with explained(self._path), transaction(self._connection):
            for each in items:
                self._put_off(each)

    def hold(self, task_id: str, error: str, now_ns: int, waits_for: Optional[str] = None) -> None:
        """Note why a task's judge cannot be asked at all: it waits, longer each time.

        With `waits_for`, the variable whose key is missing, it waits for a process that has it.
        """
        with explained(self._path), transaction(self._connection):
            found = self._connection.execute(
                "SELECT attempts FROM tasks WHERE task_id = ?", (task_id,)
            ).fetchone()
            attempts = (found[0] if found else 0) + 1
            due_at_ns = now_ns if waits_for else now_ns + backoff_ns(attempts)
            self._connection.execute(
                "UPDATE tasks SET attempts = ?, due_at_ns = ?, waits_for = ?, error = ?"
                " WHERE task_id = ?",
                (attempts, due_at_ns, waits_for, codec.text_column(error), task_id),
            )

    def release(self, task_id: str) -> None:
        """A task's judge can be asked again."""
        with explained(self._path), transaction(self._connection):
            self._connection.execute(
                "UPDATE tasks SET attempts = 0, due_at_ns = 0, waits_for = NULL, error = NULL"
                " WHERE task_id = ? AND error IS NOT NULL",
                (task_id,),
            )

    def begin_run(self, run_id: str) -> int:
        """Take a run up: what it skips is counted anew. How often that was in vain, this included.

        Each result that it writes makes that 0.
        """
        with explained(self._path), transaction(self._connection):
            self._connection.execute(
                "UPDATE task_runs SET attempts = attempts + 1, skipped = 0, failed = 0"
                " WHERE run_id = ?",
                (run_id,),
            )
            found = self._connection.execute(
                "SELECT attempts FROM task_runs WHERE run_id = ?", (run_id,)
            ).fetchone()
            return int(found[0]) if found else 0

    def counts(self, task_id: str) -> QueueCounts:
        """What that task has yet to judge."""
        with explained(self._path), snapshot(self._connection):
            if not has_tables(self._connection):
                return QueueCounts()
            waiting, failing, given_up, due_at_ns = self._connection.execute(
                "SELECT sum(state = 'waiting'), sum(state = 'waiting' AND error IS NOT NULL),"
                " sum(state = 'failed'),"
                " min(CASE WHEN state = 'waiting' AND error IS NOT NULL THEN due_at_ns END)"
                " FROM task_items WHERE task_id = ?",
                (task_id,),
            ).fetchone()
            held = self._connection.execute(
                "SELECT due_at_ns, error, waits_for FROM tasks"
                " WHERE task_id = ? AND error IS NOT NULL",
                (task_id,),
            ).fetchone()
            failed = self._connection.execute(
                "SELECT ?, error, NULL FROM task_items WHERE task_id = ? AND error IS NOT NULL"
                " ORDER BY attempts DESC, session_key, turn_key LIMIT 1",
                (due_at_ns, task_id),
            ).fetchone()
        told = held or failed or (None, None, None)
        return QueueCounts(waiting or 0, failing or 0, given_up or 0, *told)

    def retry(self, task_id: str) -> int:
        """Have all that failed of a task tried again at once; returns how many those are."""
        with explained(self._path), transaction(self._connection):
            done = self._connection.execute(
                "UPDATE task_items SET state = 'waiting', attempts = 0, due_at_ns = 0"
                " WHERE task_id = ? AND error IS NOT NULL",
                (task_id,),
            )
            return int(done.rowcount)

    def _put_off(self, each: PutOff) -> None:
        state = "failed" if each.due_at_ns is None else "waiting"
        self._connection.execute(
            "UPDATE task_items SET state = ?, due_at_ns = ?, error = ?"
            " WHERE task_id = ? AND session_key = ? AND turn_key = ?",
            (state, each.due_at_ns or 0, codec.text_column(each.error), *_key(each.item)),
        )


def backoff_ns(attempts: int) -> int:
    """How long to wait after so many attempts: a minute, then four times as long, six hours."""
    doublings = 2 * min(max(0, attempts - 1), 8)
    return min(SHORTEST_BACKOFF_NS << doublings, LONGEST_BACKOFF_NS)


def names_in(env: Mapping[str, str]) -> list[str]:
    """The variables that have a value: keys that a task may wait for are among them."""
    return [name for name, value in env.items() if value.strip()]


def has_tables(connection: sqlite3.Connection) -> bool:
    """Whether the store has what this version brought; one that is only read may lack it."""
    return has_table(connection, "task_items")


def _again_ns(item: TaskItem, now_ns: int) -> int:
    """When an item is taken up again if nobody settles it."""
    return now_ns + backoff_ns(item.attempts) if item.attempts > FREE_ATTEMPTS else now_ns


def _asked(now_ns: int, names: Iterable[str]) -> dict[str, Any]:
    return {"now": now_ns, "longest": LONGEST_BACKOFF_NS, "names": _names(names)}


def _names(names: Iterable[str]) -> str:
    return codec.encode_names(tuple(names)) or "[]"


def _key(item: TaskItem) -> tuple[str, int, int]:
    return item.task_id, item.session_key, item.turn_key
