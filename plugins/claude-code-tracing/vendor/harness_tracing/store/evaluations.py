"""Evaluators with their versions, tasks and what came of them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Optional

import msgspec

from harness_tracing.errors import StoreError
from harness_tracing.evaluate.definitions import (
    Definition,
    DefinitionError,
    Evaluator,
    EvaluatorRef,
    Run,
    RunKind,
    RunStatus,
    Scope,
    Task,
    evaluator_id,
    from_json,
    run_id,
    task_id,
    to_json,
)
from harness_tracing.store import codec
from harness_tracing.store.database import explained, snapshot, transaction
from harness_tracing.store.task_queue import TaskQueue, has_tables

_IN_COLUMNS = ("task_id", "name", "project", "is_continuous", "paused", "created_at_ns")
_VERSIONS = (
    "SELECT evaluator_id, name, version, message, definition, created_at_ns"
    " FROM evaluators JOIN evaluator_versions USING (evaluator_id)"
)
_RUNS = (
    "SELECT run_id, task_id, kind, status, started_at_ns, ended_at_ns, judged, skipped, failed,"
    " spent_usd, message, scope FROM task_runs"
)


class Evaluations:
    """The part of an open store that knows what judges and what was judged.

    Each method is one transaction; StoreError as in `Store`. Evaluators are those that somebody
    made: for the built-in ones as well ask `evaluate.catalogue`. A store that an older version
    wrote has none of all this when it is only read.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        """Made by `Store.evaluations`."""
        self._path, self._connection = path, connection

    @property
    def queue(self) -> TaskQueue:
        """What tasks have yet to judge."""
        return TaskQueue(self._path, self._connection)

    # -- evaluators

    def put_evaluator(
        self,
        name: str,
        definition: Definition,
        message: str,
        now_ns: int,
        identity: Optional[str] = None,
    ) -> Evaluator:
        """Make an evaluator, or a new version of the one of that name, and give it back.

        A definition that is the newest already makes no version. `identity`: its id where that is
        not derived from the name. Raises DefinitionError when a version would judge sessions and
        another one turns: tasks rely on it.
        """
        key = identity or evaluator_id(name)
        with self._writing():
            known = self._versions("evaluator_id = ? ORDER BY version DESC LIMIT 1", key)
            if known and known[0].definition == definition:
                return known[0]
            if known:
                _check_same_subject(known[0], definition)
            elif self._versions("name = ? LIMIT 1", name):
                raise DefinitionError(f"there is another evaluator {name!r}; choose another name")
            made = Evaluator(
                key, name, known[0].version + 1 if known else 1, message, definition, now_ns
            )
            self._connection.execute(
                "INSERT OR IGNORE INTO evaluators (evaluator_id, name) VALUES (?, ?)",
                (key, codec.whole_text(name)),
            )
            self._connection.execute(
                "INSERT INTO evaluator_versions VALUES (?, ?, ?, ?, ?)",
                (key, made.version, codec.whole_text(message), _text(to_json(definition)), now_ns),
            )
        return made

    def evaluators(self) -> list[Evaluator]:
        """The newest version of each evaluator that somebody made, by name."""
        newest = (
            "version = (SELECT max(version) FROM evaluator_versions AS v"
            " WHERE v.evaluator_id = evaluators.evaluator_id) ORDER BY name"
        )
        with self._reading() as there:
            return self._versions(newest) if there else []

    def versions(self, id_or_name: str) -> list[Evaluator]:
        """All versions of an evaluator, the newest first; none when there is no such."""
        with self._reading() as there:
            where = "(evaluator_id = ? OR name = ?) ORDER BY version DESC"
            return self._versions(where, id_or_name, id_or_name) if there else []

    def evaluator(self, id_or_name: str, version: Optional[int] = None) -> Optional[Evaluator]:
        """That version of an evaluator, None: the newest; None when there is no such."""
        found = self.versions(id_or_name)
        return next((each for each in found if version in (None, each.version)), None)

    def delete_evaluator(self, id_or_name: str) -> bool:
        """Delete it with all its versions, not its results; False when there is no such.

        Raises DefinitionError while a task uses it.
        """
        with self._writing():
            found = self._versions("(evaluator_id = ? OR name = ?) LIMIT 1", id_or_name, id_or_name)
            if not found:
                return False
            key = found[0].evaluator_id
            users = [task.name for task in self._tasks("1") if EvaluatorRef(key) in _plain(task)]
            if users:
                raise DefinitionError(
                    f"{found[0].name} is used by {', '.join(users)}; `harness tasks delete` first"
                )
            self._connection.execute("DELETE FROM evaluators WHERE evaluator_id = ?", (key,))
        return True

    def _versions(self, where: str, *values: object) -> list[Evaluator]:
        rows = self._connection.execute(f"{_VERSIONS} WHERE {where}", values)
        return [
            Evaluator(key, name, version, message, from_json(_object(definition)), created_at_ns)
            for key, name, version, message, definition, created_at_ns in rows
        ]

    # -- tasks

    def put_task(self, task: Task, *, judges_sessions: bool) -> Task:
        """Make a task; its id is derived from its name. DefinitionError when there is one."""
        made = replace(task, task_id=task_id(task.name))
        rest = _outside_columns(made)
        with self._writing():
            if self._tasks("task_id = ?", made.task_id):
                raise DefinitionError(
                    f"there is a task {task.name!r} already; choose another name, or delete it"
                )
            self._connection.execute(
                "INSERT INTO tasks (task_id, name, project, is_continuous, judges_sessions, paused,"
                " definition, created_at_ns) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    made.task_id,
                    codec.whole_text(made.name),
                    codec.text_column(made.project),
                    int(made.is_continuous),
                    int(judges_sessions),
                    int(made.paused),
                    _text(rest),
                    made.created_at_ns,
                ),
            )
        return made

    def tasks(self) -> list[Task]:
        """All tasks, by name."""
        with self._reading() as there:
            return self._tasks("1 ORDER BY name") if there else []

    def task(self, id_or_name: str) -> Optional[Task]:
        """The task of that id or name, None when there is none."""
        with self._reading() as there:
            found = self._tasks("task_id = ? OR name = ?", id_or_name, id_or_name) if there else []
            return found[0] if found else None

    def set_paused(self, task_id: str, paused: bool, now_ns: int) -> None:
        """Let a task wait, or go on. What it was at stops; what it has yet to judge waits."""
        with self._writing():
            self._connection.execute(
                "UPDATE tasks SET paused = ? WHERE task_id = ?", (int(paused), task_id)
            )
            if paused:
                self._connection.execute(
                    "UPDATE task_runs SET status = 'stopped', ended_at_ns = ?, message = ?"
                    " WHERE task_id = ? AND status = 'running'",
                    (now_ns, "the task was paused", task_id),
                )

    def set_max_cost(self, task_id: str, max_cost_usd: Optional[float]) -> None:
        """Change what all runs of a task may cost together; None: no limit."""
        with self._writing():
            for task in self._tasks("task_id = ?", task_id):
                rest = _outside_columns(replace(task, max_cost_usd=max_cost_usd))
                self._connection.execute(
                    "UPDATE tasks SET definition = ? WHERE task_id = ?", (_text(rest), task_id)
                )

    def delete_task(self, task_id: str) -> bool:
        """Delete a task and its runs, not its results; False when there is none."""
        with self._writing():
            done = self._connection.execute("DELETE FROM tasks WHERE task_id = ?", (task_id,))
            return done.rowcount > 0

    def _tasks(self, where: str, *values: object) -> list[Task]:
        rows = self._connection.execute(
            f"SELECT {', '.join(_IN_COLUMNS)}, definition FROM tasks WHERE {where}", values
        )
        found = []
        for *columns, definition in rows:
            fields = {**_object(definition), **dict(zip(_IN_COLUMNS, columns))}
            fields["is_continuous"] = bool(fields["is_continuous"])
            fields["paused"] = bool(fields["paused"])
            found.append(msgspec.convert(fields, Task))
        return found

    # -- runs

    def start_run(self, task_id: str, kind: RunKind, scope: Scope, now_ns: int) -> Run:
        """Note a new run of a task. DefinitionError when one began in the same nanosecond."""
        made = Run(run_id(task_id, now_ns), task_id, kind, "running", now_ns, scope=scope)
        with self._writing():
            self._connection.execute(
                "INSERT INTO task_runs (run_id, task_id, kind, status, scope, started_at_ns)"
                " VALUES (?, ?, ?, 'running', ?, ?)",
                (made.run_id, task_id, kind, _text(msgspec.to_builtins(scope)), now_ns),
            )
        return made

    def end_run(self, run_id: str, status: RunStatus, message: Optional[str], now_ns: int) -> None:
        """Note how a run ended; one that has ended stays as it is."""
        with self._writing():
            self._connection.execute(
                "UPDATE task_runs SET status = ?, message = ?, ended_at_ns = ?"
                " WHERE run_id = ? AND status = 'running'",
                (status, codec.text_column(message), now_ns, run_id),
            )

    def runs(self, task_id: Optional[str] = None) -> list[Run]:
        """The runs of a task, None: of all, the latest first."""
        order = "ORDER BY started_at_ns DESC, run_id"
        with self._reading() as there:
            if not there:
                return []
            if task_id is None:
                return self._runs(f"1 {order}")
            return self._runs(f"task_id = ? {order}", task_id)

    def run(self, run_id: str) -> Optional[Run]:
        """The run of that id, None when there is none."""
        with self._reading() as there:
            found = self._runs("run_id = ?", run_id) if there else []
            return found[0] if found else None

    def _runs(self, where: str, *values: object) -> list[Run]:
        cursor = self._connection.execute(f"{_RUNS} WHERE {where}", values)
        names = [column[0] for column in cursor.description]
        found = []
        for row in cursor:
            fields = dict(zip(names, row))
            found.append(msgspec.convert({**fields, "scope": _object(fields["scope"])}, Run))
        return found

    # -- the connection

    @contextmanager
    def _reading(self) -> Iterator[bool]:
        """Several queries that see the same state; gives whether the tables are there."""
        with explained(self._path), snapshot(self._connection):
            yield has_tables(self._connection)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        with explained(self._path), transaction(self._connection):
            yield


def _check_same_subject(known: Evaluator, definition: Definition) -> None:
    before, now = known.definition.granularity, definition.granularity
    if (before == "session") != (now == "session"):
        raise DefinitionError(
            f"{known.name} judges by {before}, which tasks rely on, and cannot judge by {now} now; "
            "make that one under another name"
        )


def _outside_columns(task: Task) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.to_builtins(task)
    return {key: value for key, value in found.items() if key not in _IN_COLUMNS}


def _plain(task: Task) -> Sequence[EvaluatorRef]:
    return [EvaluatorRef(each.evaluator_id) for each in task.evaluators]


def _text(found: Any) -> str:
    return codec.whole_text(msgspec.json.encode(found).decode())


def _object(text: str) -> dict[str, Any]:
    try:
        return msgspec.json.decode(text, type=dict[str, Any])
    except msgspec.MsgspecError as error:
        raise StoreError(f"a definition in the store cannot be read: {error}") from None
