"""Which annotations still have to follow their spans to which backend.

What is due is derived: an annotation is, at each destination that has its span (a whole
session's: that has any turn of it), unless a row of `pushes` says that this very version was
taken there. `annotations.unpushed` is 0 where nothing of that can be, so that years of pushed
annotations cost nothing; triggers set it (schema.sql), `settle_pushed` takes it back.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

from harness_tracing.destinations import Target
from harness_tracing.store.database import explained, has, has_table, snapshot, transaction
from harness_tracing.store.outbox import LONGEST_HOLD_NS, Account
from harness_tracing.store.outbox_rows import target_of
from harness_tracing.store.verdicts import Annotation, annotation_of

MOST_DUE = 1000
"""How many are looked up at once."""
MOST_AT_ONCE = {"sent": 50, "delivered": 8}
"""How often an annotation is tried again before its time because somebody waits for it, by the
state of its span: one that is sent a backend may have yet to store."""


@dataclass(frozen=True)
class Due:
    """An annotation to be pushed to a destination.

    `noted_ns` is the version that was noted there when this was looked up, `attempts` how often
    the present one was tried. `span_state` is that of its span in the outbox; `began_at_ns` when
    its turn (a session's: its first turn that went there) began.
    """

    annotation_key: int
    destination_key: int
    target: Target
    session_id: str
    annotation: Annotation
    span_state: str
    began_at_ns: int
    noted_ns: Optional[int]
    attempts: int

    @property
    def version_ns(self) -> int:
        """Which version of the annotation this is."""
        return self.annotation.updated_at_ns or 0


@dataclass(frozen=True)
class Hold:
    """A backend that failed with annotations the last time: until when it is left alone, and why.

    `failures` counts attempts in a row, `paused_by` is as in Account.
    """

    until_ns: int
    paused_by: Optional[str]
    error: str
    failures: int

    def is_over(self, now_ns: int) -> bool:
        """Whether it may be tried now; a time further ahead than any hold is a wrong clock."""
        return not now_ns < self.until_ns <= now_ns + LONGEST_HOLD_NS


@dataclass(frozen=True)
class PushQueue:
    """What of annotations is open at one destination, counted.

    `error` is what it answered last to those that wait, `paused_by` as in Account.
    """

    waiting: int
    dead: int
    paused_by: Optional[str]
    error: Optional[str]
    dead_reason: Optional[str]


class Pushes:
    """The annotations of an open store on their way. Each method is one transaction."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        """Made by `Store.pushes`."""
        self._path, self._connection = path, connection

    def any_open(self) -> bool:
        """Whether any annotation may have to be pushed anywhere. Costs nothing."""
        with explained(self._path):
            return self._is_known() and has(self._connection, "annotations WHERE unpushed = 1")

    def due(self, account: Account, now_ns: int, *, anyway: bool = False) -> list[Due]:
        """What may be pushed to a backend now; `anyway`: also what failed a moment ago.

        What was not tried yet comes first, the oldest of it first.
        """
        with explained(self._path), snapshot(self._connection):
            wanted = self._wanted(account.key)
            if not wanted:
                return []
            # Whether what is held may be tried is a question of the backend's, not of each.
            due = "p.state = 'held' OR p.due_at_ns <= :now OR p.due_at_ns > :wrong"
            if anyway:
                # Who waits for it does not wait for what has long been gone there.
                due += (
                    " OR p.attempts < CASE ready.state WHEN 'sent' THEN :sent ELSE :delivered END"
                )
            rows = self._connection.execute(
                f"SELECT {_DUE} FROM ({_ready(wanted, _THERE)})"
                f" {_JOINED} WHERE p.updated_at_ns IS NULL OR p.updated_at_ns != a.updated_at_ns"
                f" OR (p.state NOT IN ('pushed', 'dead') AND ({due}))"
                " ORDER BY p.updated_at_ns IS a.updated_at_ns, a.updated_at_ns, a.annotation_key"
                f" LIMIT {MOST_DUE}",
                {"now": now_ns, "wrong": now_ns + LONGEST_HOLD_NS, **MOST_AT_ONCE},
            ).fetchall()
            return [self._due(row, wanted) for row in rows]

    def next_due_ns(self, account: Account) -> Optional[int]:
        """When the next of those that failed may be tried again; None where none has to be."""
        with explained(self._path):
            return self._connection.execute(  # type: ignore[no-any-return]
                "SELECT min(due_at_ns) FROM pushes JOIN destinations USING (destination_key)"
                f" WHERE backend_key = ? AND {_IS_OPEN} AND state IN ('later', 'held')",
                (account.key,),
            ).fetchone()[0]

    def hold(self, account: Account) -> Optional[Hold]:
        """How a backend failed with annotations; None when it took some since, or never did."""
        with explained(self._path):
            row = self._connection.execute(
                "SELECT due_at_ns, paused_by, error, attempts FROM pushes"
                " JOIN destinations USING (destination_key) WHERE backend_key = ?"
                f" AND {_IS_OPEN} AND state = 'held'"
                " ORDER BY attempts DESC, due_at_ns DESC LIMIT 1",
                (account.key,),
            ).fetchone()
            return Hold(row[0], row[1], row[2] or "", row[3]) if row else None

    def release(self, account: Account) -> None:
        """The backend takes annotations again: what was held is due now."""
        with explained(self._path), transaction(self._connection):
            self._connection.execute(
                "UPDATE pushes SET state = 'later', due_at_ns = 0, attempts = 0, paused_by = NULL"
                f" WHERE {_IS_OPEN} AND state = 'held' AND destination_key IN"
                " (SELECT destination_key FROM destinations WHERE backend_key = ?)",
                (account.key,),
            )

    def note(
        self,
        dues: Iterable[Due],
        state: str,
        *,
        due_at_ns: int = 0,
        error: Optional[str] = None,
        paused_by: Optional[str] = None,
        attempts: Optional[int] = None,
    ) -> None:
        """Note what became of annotations that were pushed, or could not be.

        Where another process pushed another version meanwhile nobody knows which one came last:
        then it is pushed again.
        """
        with explained(self._path), transaction(self._connection):
            for due in dues:
                version_ns, now_state = due.version_ns, state
                if self._overtaken(due):
                    version_ns, now_state = 0, "later"
                    self._connection.execute(
                        "UPDATE annotations SET unpushed = 1 WHERE annotation_key = ?",
                        (due.annotation_key,),
                    )
                self._connection.execute(
                    "INSERT OR REPLACE INTO pushes (annotation_key, destination_key,"
                    " updated_at_ns, state, attempts, due_at_ns, paused_by, error)"
                    " SELECT annotation_key, ?, ?, ?, ?, ?, ?, ? FROM annotations"
                    " WHERE annotation_key = ?",
                    (
                        due.destination_key,
                        version_ns,
                        now_state,
                        due.attempts + 1 if attempts is None else attempts,
                        due_at_ns,
                        paused_by,
                        error,
                        due.annotation_key,
                    ),
                )

    def _overtaken(self, due: Due) -> bool:
        """Whether another version was noted since that one was looked up."""
        known = self._connection.execute(
            "SELECT updated_at_ns FROM pushes WHERE annotation_key = ? AND destination_key = ?",
            (due.annotation_key, due.destination_key),
        ).fetchone()
        return known is not None and known[0] not in (due.noted_ns, due.version_ns)

    def settle_pushed(self, without: Optional[tuple[str, str, str]] = None) -> int:
        """Leave those alone from now on that are wherever they can be; how many those were.

        Nothing goes to the backend `without`.
        """
        with explained(self._path):
            if not self.any_open():
                return 0
            wanted, closed = self._wanted(), "unpushed = 1"
            wanted = {key: each for key, each in wanted.items() if each.account != without}
            if wanted:
                closed += (
                    " AND annotation_key NOT IN (SELECT a.annotation_key FROM"
                    f" ({_ready(wanted, _COMING)}) {_JOINED} WHERE p.updated_at_ns IS NULL"
                    " OR p.updated_at_ns != a.updated_at_ns OR p.state NOT IN ('pushed', 'dead'))"
                )
            sql = f"SELECT 1 FROM annotations WHERE {closed} LIMIT 1"
            if self._connection.execute(sql).fetchone() is None:
                return 0  # looked at without keeping anybody from writing
            with transaction(self._connection):
                return self._connection.execute(
                    f"UPDATE annotations SET unpushed = 0 WHERE {closed}"
                ).rowcount

    def is_waiting(self, accounts: Collection[tuple[str, str, str]], since_ns: int) -> bool:
        """Whether anything written since is to be pushed to one of these backends, and can be."""
        with explained(self._path), snapshot(self._connection):
            if not self._is_known():
                return False
            written = "SELECT 1 FROM annotations WHERE unpushed = 1 AND updated_at_ns > ? LIMIT 1"
            if self._connection.execute(written, (since_ns,)).fetchone() is None:
                return False
            wanted = self._wanted(accounts=accounts)
            # One after the other, since a single one is enough.
            for part in _parts(wanted, _THERE) if wanted else ():
                found = self._connection.execute(
                    f"SELECT 1 FROM ({part}) {_JOINED}"
                    " WHERE a.updated_at_ns > ? AND (p.updated_at_ns IS NULL"
                    " OR p.updated_at_ns != a.updated_at_ns"
                    " OR (p.state IN ('later', 'held') AND p.paused_by IS NULL)) LIMIT 1",
                    (since_ns,),
                ).fetchone()
                if found is not None:
                    return True
            return False

    def queues(self) -> dict[Target, PushQueue]:
        """What is open, by destination; those where nothing is are left out."""
        with explained(self._path), snapshot(self._connection):
            wanted = self._wanted() if self._is_known() else {}
            if not wanted:
                return {}
            waiting = dict(
                self._connection.execute(
                    f"SELECT ready.destination_key, count(*) FROM ({_ready(wanted, _THERE)})"
                    f" {_JOINED} WHERE p.updated_at_ns IS NULL"
                    " OR p.updated_at_ns != a.updated_at_ns"
                    " OR p.state IN ('later', 'held') GROUP BY 1"
                ).fetchall()
            )
            found = {
                target: self._queue(key, waiting.get(key, 0)) for key, target in wanted.items()
            }
            return {target: each for target, each in found.items() if each.waiting or each.dead}

    def retry(self, account: Optional[Account]) -> int:
        """Have tried again at once what failed or was not taken; how many those are."""
        with explained(self._path), transaction(self._connection):
            which = (
                f"{_IS_OPEN} AND destination_key IN (SELECT destination_key FROM destinations"
                " WHERE backend_key = ifnull(?, backend_key))"
            )
            key = (None if account is None else account.key,)
            self._connection.execute(
                "UPDATE annotations SET unpushed = 1 WHERE unpushed = 0 AND annotation_key IN"
                f" (SELECT annotation_key FROM pushes WHERE {which})",
                key,
            )
            return self._connection.execute(f"DELETE FROM pushes WHERE {which}", key).rowcount

    # -- what goes where

    def _is_known(self) -> bool:
        """Whether the store has what this is about: a reader may meet one that is older."""
        return has_table(self._connection, "pushes")

    def _wanted(
        self,
        backend_key: Optional[int] = None,
        accounts: Optional[Collection[tuple[str, str, str]]] = None,
    ) -> dict[int, Target]:
        """The destinations that take any annotations."""
        rows = self._connection.execute(
            "SELECT destination_key, settings FROM destinations"
            " WHERE backend_key = ifnull(?, backend_key)",
            (backend_key,),
        )
        found = {key: target_of(settings) for key, settings in rows}
        return {
            key: target
            for key, target in found.items()
            if target.annotator_kinds and (accounts is None or target.account in accounts)
        }

    def _due(self, row: Sequence[Any], targets: dict[int, Target]) -> Due:
        key, destination_key, state, began_at_ns, noted_ns, attempts, session_id, *rest = row
        annotation = annotation_of(rest)
        same = noted_ns is not None and noted_ns == annotation.updated_at_ns
        return Due(
            annotation_key=key,
            destination_key=destination_key,
            target=targets[destination_key],
            session_id=session_id,
            annotation=annotation,
            span_state=state,
            began_at_ns=began_at_ns,
            noted_ns=noted_ns,
            attempts=attempts if same else 0,
        )

    def _queue(self, destination_key: int, waiting: int) -> PushQueue:
        def last(states: str) -> tuple[int, Optional[str], Optional[str]]:
            where = f"destination_key = ? AND {_IS_OPEN} AND state IN ({states})"
            (count,) = self._connection.execute(
                f"SELECT count(*) FROM pushes WHERE {where}", (destination_key,)
            ).fetchone()
            row = self._connection.execute(
                "SELECT error, paused_by FROM pushes"
                f" WHERE {where} ORDER BY state, due_at_ns DESC LIMIT 1",
                (destination_key,),
            ).fetchone()
            return (count, *row) if row else (count, None, None)

        _, error, paused_by = last("'held', 'later'")
        dead, dead_reason, _ = last("'dead'")
        return PushQueue(waiting, dead, paused_by, error, dead_reason)


_IS_OPEN = "state != 'pushed'"
_THERE = "o.state IN ('sent', 'delivered')"
_COMING = "o.state IN ('waiting', 'sent', 'delivered')"
_JOINED = (
    "AS ready JOIN annotations AS a ON a.annotation_key = ready.annotation_key"
    " LEFT JOIN pushes AS p ON p.annotation_key = ready.annotation_key"
    " AND p.destination_key = ready.destination_key JOIN sessions USING (session_key)"
)
_DUE = (
    "a.annotation_key, ready.destination_key, ready.state, ready.began_at_ns, p.updated_at_ns,"
    " p.attempts, session_id, a.span_id, a.name, a.annotator_kind, a.label, a.score,"
    " a.explanation, a.identifier, a.metadata, a.created_at_ns, a.updated_at_ns"
)


def _ready(targets: dict[int, Target], states: str) -> str:
    """A query for what can be pushed where, given the states of spans in the outbox."""
    return " UNION ALL ".join(_parts(targets, states))


def _parts(targets: dict[int, Target], states: str) -> tuple[str, str]:
    """The same as two queries: for spans, and for whole sessions."""
    by_kinds: dict[tuple[str, ...], list[str]] = {}
    for key, target in targets.items():
        by_kinds.setdefault(target.annotator_kinds, []).append(str(key))
    takes = " OR ".join(
        f"(d.destination_key IN ({', '.join(keys)}) AND a.annotator_kind IN"
        f" ({', '.join(repr(kind) for kind in kinds)}))"
        for kinds, keys in by_kinds.items()
    )
    spans = (
        "SELECT a.annotation_key, d.destination_key, o.state, t.started_at_ns AS began_at_ns"
        " FROM annotations AS a CROSS JOIN destinations AS d"
        " JOIN turns AS t ON t.turn_key = a.turn_key"
        " JOIN outbox AS o ON o.turn_key = a.turn_key AND o.destination_key = d.destination_key"
        " AND o.step_key = CASE WHEN a.span_id = t.span_id THEN 0 ELSE (SELECT s.step_key"
        " FROM steps AS s WHERE s.turn_key = a.turn_key AND s.span_id = a.span_id) END"
        f" WHERE a.unpushed = 1 AND ({takes}) AND {states}"
    )
    sessions = (
        "SELECT a.annotation_key, d.destination_key, max(o.state) AS state,"
        " min(t.started_at_ns) AS began_at_ns"
        " FROM annotations AS a CROSS JOIN destinations AS d"
        " JOIN turns AS t ON t.session_key = a.session_key"
        " JOIN outbox AS o ON o.turn_key = t.turn_key AND o.destination_key = d.destination_key"
        " AND o.step_key = 0"
        f" WHERE a.unpushed = 1 AND a.turn_key IS NULL AND ({takes}) AND {states}"
        " GROUP BY a.annotation_key, d.destination_key"
    )
    return spans, sessions
