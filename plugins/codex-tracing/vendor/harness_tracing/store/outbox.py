"""The outbox: which spans still have to go where.

Rows come into being in the transaction that settles what they send (outbox_rows.py); after that
they belong to whoever holds their lease. A row names its destination by what `destinations.Target`
holds, which is nothing secret. States: ``waiting`` → ``sent`` (the backend took it, a read-back
is due) → ``delivered``, or straight to ``delivered`` where nothing can be read back; ``dead``:
the backend will not have it, whatever we do; ``dropped``: the user's word.
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Callable, Optional

from harness_tracing.destinations import Target
from harness_tracing.store.database import explained, snapshot, transaction
from harness_tracing.store.outbox_rows import add_turn, target_of

LEASE_NS = 120 * 10**9
"""Longer than one request may take; a lease is renewed before each."""

MOST_SPANS = 512
"""How many spans a lease covers, unless a single turn has more."""

LONGEST_HOLD_NS = 3600 * 10**9
"""The longest time a backend is left alone. What lies further ahead is a clock set back."""


@dataclass(frozen=True)
class LeasedTurn:
    """Spans of one turn to be sent to one target, ours until `Batch.until_ns`."""

    target: Target
    agent: str
    session_id: str
    turn_id: str
    turn_key: int
    destination_key: int
    step_keys: tuple[int, ...]
    span_ids: tuple[str, ...]
    attempts: int

    def steps_of(self, span_ids: Collection[str]) -> list[int]:
        """The rows of those of the span ids that are this turn's."""
        return [key for key, span_id in zip(self.step_keys, self.span_ids) if span_id in span_ids]


@dataclass(frozen=True)
class Batch:
    """What one process has taken on to send to one backend."""

    lease: str
    turns: tuple[LeasedTurn, ...]


@dataclass(frozen=True)
class Account:
    """A backend with how it answered lately; `key` is its number in the store."""

    key: int
    kind: str
    endpoint: str
    space: str
    failures: int
    failing_since_ns: Optional[int]
    due_at_ns: int
    paused_by: Optional[str]
    last_error: Optional[str]
    delivered_at_ns: Optional[int]

    @property
    def name(self) -> tuple[str, str, str]:
        """What credentials are looked up by (see `Target.account`)."""
        return self.kind, self.endpoint, self.space

    def is_due(self, now_ns: int) -> bool:
        """Whether it may be tried now; a time further ahead than any hold is a wrong clock."""
        return not now_ns < self.due_at_ns <= now_ns + LONGEST_HOLD_NS


@dataclass(frozen=True)
class Queue:
    """What one destination's rows are, counted: for lists, the doctor and status lines."""

    account: Account
    target: Target
    waiting: int
    waiting_turns: int
    sent: int
    delivered: int
    dead: int
    dropped: int
    oldest_waiting_ns: Optional[int]
    dead_reason: Optional[str]


class Outbox:
    """The rows of an open store. Each method is one transaction; StoreError as in `Store`."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        """Made by `Store.outbox`."""
        self._path, self._connection = path, connection

    def add(self, turn_keys: Iterable[int], targets: Sequence[Target], now_ns: int) -> int:
        """Add final turns that a target does not have yet; returns how many spans that were."""
        with explained(self._path), transaction(self._connection):
            return sum(
                add_turn(self._connection, turn_key, targets, now_ns, again=True)
                for turn_key in turn_keys
            )

    def accounts(self, state: Optional[str] = None) -> list[Account]:
        """The backends; with a state only those that have rows in it."""
        where = (
            ""
            if state is None
            else " WHERE backend_key IN (SELECT backend_key FROM destinations WHERE EXISTS"
            " (SELECT 1 FROM outbox WHERE outbox.destination_key = destinations.destination_key"
            f" AND state = {_STATES[state]}))"
        )
        with explained(self._path):
            rows = self._connection.execute(
                f"SELECT {_ACCOUNT} FROM backends{where} ORDER BY backend_key"
            )
            return [Account(*row) for row in rows]

    def lease(
        self,
        account: Account,
        owner: str,
        now_ns: int,
        gone: Callable[[str], bool] = lambda owner: False,
    ) -> Optional[Batch]:
        """Take on what waits for a backend, oldest turns first; None when nothing is free.

        A turn's rows are taken together. A lease that ends further ahead than any is long was
        given before the clock was set back: it counts as over. So does one whose owner is
        `gone`.
        """
        with explained(self._path), transaction(self._connection):
            turns: list[LeasedTurn] = []
            for turn_key, destination_key in self._free(account, now_ns, gone):
                turn = self._rows(turn_key, destination_key, "waiting")
                if turns and sum(map(_count, turns)) + _count(turn) > MOST_SPANS:
                    break
                turns.append(turn)
                self._connection.execute(
                    "UPDATE outbox SET lease = ?, leased_until_ns = ?"
                    " WHERE turn_key = ? AND destination_key = ? AND state = 'waiting'",
                    (owner, now_ns + LEASE_NS, turn_key, destination_key),
                )
            return Batch(owner, tuple(turns)) if turns else None

    def _free(
        self, account: Account, now_ns: int, gone: Callable[[str], bool]
    ) -> list[tuple[int, int]]:
        gone = lru_cache(maxsize=None)(gone)

        def is_free(owner: Optional[str], until_ns: Optional[int]) -> bool:
            if owner is None or until_ns is None:
                return True
            # Its owner may have looked at the clock after we did, while we waited for the store.
            return not now_ns < until_ns <= now_ns + 2 * LEASE_NS or gone(owner)

        return self._oldest(account, "waiting", "max(lease), max(leased_until_ns)", is_free)

    def _oldest(
        self, account: Account, state: str, columns: str, wanted: Callable[..., bool]
    ) -> list[tuple[int, int]]:
        """Turn and destination of an account's oldest rows in a state, as many as one lease takes.

        `wanted` decides by the columns, which are those of all rows of a turn. Each destination
        is read along the index and no further than needed, however much waits.
        """
        found: list[tuple[int, int]] = []
        for (destination_key,) in self._connection.execute(
            "SELECT destination_key FROM destinations WHERE backend_key = ?", (account.key,)
        ).fetchall():
            cursor = self._connection.execute(
                f"SELECT turn_key, count(*), {columns} FROM outbox WHERE destination_key = ?"
                f" AND state = {_STATES[state]} GROUP BY turn_key",
                (destination_key,),
            )
            spans = 0
            for turn_key, count, *values in cursor:
                if not wanted(*values):
                    continue
                found.append((turn_key, destination_key))
                spans += count
                if spans >= MOST_SPANS:
                    break
            cursor.close()
        return sorted(found)

    def _rows(self, turn_key: int, destination_key: int, state: str) -> LeasedTurn:
        agent, session_id, turn_id, root_id, settings = self._connection.execute(
            "SELECT agent, session_id, turn_id, span_id, settings FROM turns"
            " JOIN sessions USING (session_key), destinations"
            " WHERE turn_key = ? AND destination_key = ?",
            (turn_key, destination_key),
        ).fetchone()
        rows = self._connection.execute(
            "SELECT outbox.step_key, ifnull(span_id, ?), attempts FROM outbox"
            " LEFT JOIN steps USING (step_key) WHERE outbox.turn_key = ? AND destination_key = ?"
            " AND state = ? ORDER BY outbox.step_key",
            (root_id, turn_key, destination_key, state),
        ).fetchall()
        return LeasedTurn(
            target=target_of(settings),
            agent=agent,
            session_id=session_id,
            turn_id=turn_id,
            turn_key=turn_key,
            destination_key=destination_key,
            step_keys=tuple(row[0] for row in rows),
            span_ids=tuple(row[1] for row in rows),
            attempts=max((row[2] for row in rows), default=0),
        )

    def renew(self, batch: Batch, now_ns: int) -> None:
        """Keep what is left of a batch for another while."""
        with explained(self._path), transaction(self._connection):
            self._connection.executemany(
                "UPDATE outbox SET leased_until_ns = ?"
                " WHERE turn_key = ? AND destination_key = ? AND lease = ?",
                [
                    (now_ns + LEASE_NS, turn.turn_key, turn.destination_key, batch.lease)
                    for turn in batch.turns
                ],
            )

    def settle(
        self,
        batch: Batch,
        span_ids: Collection[str],
        state: str,
        now_ns: int,
        error: Optional[str] = None,
    ) -> None:
        """Note what became of spans that were sent. What the backend took stays taken."""
        ids = set(span_ids)
        with explained(self._path), transaction(self._connection):
            self._connection.executemany(
                "UPDATE outbox SET state = ?, changed_at_ns = ?, error = ?, lease = NULL,"
                " leased_until_ns = NULL, attempts = attempts + 1 WHERE turn_key = ?"
                " AND destination_key = ? AND step_key = ? AND state = 'waiting'",
                [
                    (state, now_ns, error, turn.turn_key, turn.destination_key, step_key)
                    for turn in batch.turns
                    for step_key in turn.steps_of(ids)
                ],
            )

    def release(self, batch: Batch) -> None:
        """Give back what was not sent; it waits as before."""
        with explained(self._path), transaction(self._connection):
            self._connection.executemany(
                "UPDATE outbox SET lease = NULL, leased_until_ns = NULL"
                " WHERE turn_key = ? AND destination_key = ? AND lease = ?",
                [(turn.turn_key, turn.destination_key, batch.lease) for turn in batch.turns],
            )

    # -- how a backend answers

    def worked(self, account: Account, now_ns: int) -> None:
        """It took something: whatever was wrong with it is over."""
        self._note(account, 0, None, 0, None, None, now_ns)

    def hold(self, account: Account, until_ns: int, error: str, now_ns: int) -> None:
        """It failed: nobody tries it before that time."""
        until_ns = min(until_ns, now_ns + LONGEST_HOLD_NS)
        since_ns = account.failing_since_ns or now_ns
        self._note(account, account.failures + 1, since_ns, until_ns, None, error)

    def pause(self, account: Account, fingerprint: str, error: str, now_ns: int) -> None:
        """It refused the credentials: nobody shows it the same again for an hour."""
        self._note(
            account,
            account.failures + 1,
            account.failing_since_ns or now_ns,
            now_ns + LONGEST_HOLD_NS,
            fingerprint,
            error,
        )

    def _note(
        self,
        account: Account,
        failures: int,
        since_ns: Optional[int],
        due_at_ns: int,
        paused_by: Optional[str],
        error: Optional[str],
        delivered_at_ns: Optional[int] = None,
    ) -> None:
        with explained(self._path), transaction(self._connection):
            self._connection.execute(
                "UPDATE backends SET failures = ?, failing_since_ns = ?, due_at_ns = ?,"
                " paused_by = ?, last_error = ?, delivered_at_ns = ifnull(?, delivered_at_ns)"
                " WHERE backend_key = ?",
                (failures, since_ns, due_at_ns, paused_by, error, delivered_at_ns, account.key),
            )

    # -- reading back

    def unverified(self, account: Account, sent_before_ns: int) -> Optional[Batch]:
        """Turns with spans that were taken before that time and not read back yet."""

        def is_old(sent_at_ns: int) -> bool:
            # One further ahead than any hold is long is of a clock that was set back since.
            return not sent_before_ns < sent_at_ns <= sent_before_ns + LONGEST_HOLD_NS

        with explained(self._path), snapshot(self._connection):
            turns = [
                self._rows(turn_key, destination_key, "sent")
                for turn_key, destination_key in self._oldest(
                    account, "sent", "max(changed_at_ns)", is_old
                )
            ]
            return Batch("", tuple(turns)) if turns else None

    def verify(
        self, turn: LeasedTurn, stored: Collection[str], lost: str, now_ns: int, reason: str
    ) -> int:
        """Note which of a turn's spans were found; the others come into the state `lost`.

        Returns how many those are.
        """
        found = turn.steps_of(set(stored))
        missing = [key for key in turn.step_keys if key not in set(found)]
        with explained(self._path), transaction(self._connection):
            for state, keys, error in (("delivered", found, None), (lost, missing, reason)):
                self._connection.executemany(
                    "UPDATE outbox SET state = ?, changed_at_ns = ?, error = ?"
                    " WHERE turn_key = ? AND destination_key = ? AND step_key = ?"
                    " AND state = 'sent'",
                    [
                        (state, now_ns, error, turn.turn_key, turn.destination_key, key)
                        for key in keys
                    ],
                )
        return len(missing)

    # -- what people ask and decide

    def queues(self, *, done: bool = True) -> list[Queue]:
        """All destinations with the count of their rows.

        Without `done`, what is delivered or dropped is not counted: that takes no time however
        much it is.
        """
        which = "" if done else f" WHERE {_IS_OPEN}"
        with explained(self._path), snapshot(self._connection):
            counts: dict[int, dict[str, int]] = defaultdict(dict)
            for key, state, count in self._connection.execute(
                f"SELECT destination_key, state, count(*) FROM outbox{which} GROUP BY 1, 2"
            ):
                counts[key][state] = count
            rows = self._connection.execute(
                f"SELECT destination_key, settings, {_ACCOUNT} FROM destinations"
                " JOIN backends USING (backend_key) ORDER BY destination_key"
            ).fetchall()
            return [self._queue(key, text, Account(*row), counts[key]) for key, text, *row in rows]

    def _queue(self, key: int, settings: str, account: Account, counts: dict[str, int]) -> Queue:
        turns, oldest_ns = self._connection.execute(
            "SELECT count(DISTINCT turn_key), min(changed_at_ns) FROM outbox"
            f" WHERE destination_key = ? AND state = {_STATES['waiting']}",
            (key,),
        ).fetchone()
        reason = self._connection.execute(
            f"SELECT error FROM outbox WHERE destination_key = ? AND state = {_STATES['dead']}"
            " ORDER BY changed_at_ns DESC LIMIT 1",
            (key,),
        ).fetchone()
        return Queue(
            account=account,
            target=target_of(settings),
            waiting=counts.get("waiting", 0),
            waiting_turns=turns,
            sent=counts.get("sent", 0),
            delivered=counts.get("delivered", 0),
            dead=counts.get("dead", 0),
            dropped=counts.get("dropped", 0),
            oldest_waiting_ns=oldest_ns,
            dead_reason=reason[0] if reason else None,
        )

    def retry(self, account: Optional[Account], now_ns: int) -> int:
        """Have dead spans sent again and held-up backends tried at once; how many spans wait."""
        return self._decide(account, "waiting", ("dead",), now_ns, unhold=True)

    def drop(self, account: Optional[Account], states: Sequence[str], now_ns: int) -> int:
        """Give up what is in those states; how many spans that were."""
        return self._decide(account, "dropped", states, now_ns, unhold=False)

    def _decide(
        self,
        account: Optional[Account],
        state: str,
        states: Sequence[str],
        now_ns: int,
        unhold: bool,
    ) -> int:
        backend = None if account is None else account.key
        marks = ", ".join("?" * len(states))
        with explained(self._path), transaction(self._connection):
            if unhold:
                self._connection.execute(
                    "UPDATE backends SET due_at_ns = 0, paused_by = NULL"
                    " WHERE backend_key = ifnull(?, backend_key)",
                    (backend,),
                )
            return self._connection.execute(
                "UPDATE outbox SET state = ?, changed_at_ns = ?, attempts = 0, error = NULL,"
                f" lease = NULL, leased_until_ns = NULL WHERE state IN ({marks})"
                " AND destination_key IN (SELECT destination_key FROM destinations"
                " WHERE backend_key = ifnull(?, backend_key))",
                (state, now_ns, *states, backend),
            ).rowcount


# SQLite uses a partial index only where the query repeats the index's own condition.
_IS_OPEN = "state IN ('waiting', 'sent', 'dead')"
WATCHED = (
    "PRAGMA user_version",
    "SELECT * FROM backends",
    "SELECT * FROM destinations",
    "SELECT destination_key, state, count(*), count(DISTINCT turn_key), max(changed_at_ns)"
    f" FROM outbox WHERE {_IS_OPEN} GROUP BY 1, 2",
    "SELECT count(*), max(updated_at_ns) FROM annotations WHERE unpushed = 1",
    "SELECT destination_key, state, count(*), max(due_at_ns), max(error) FROM pushes"
    " WHERE state != 'pushed' GROUP BY 1, 2",
)
"""Whatever changes in `Outbox.queues(done=False)` or `Pushes.queues()` changes in these rows."""
_STATES = {
    **{state: f"'{state}' AND {_IS_OPEN}" for state in ("waiting", "sent", "dead")},
    **{state: f"'{state}'" for state in ("delivered", "dropped")},
}
_ACCOUNT = (
    "backend_key, kind, endpoint, space, failures, failing_since_ns, due_at_ns, paused_by,"
    " last_error, delivered_at_ns"
)


def _count(turn: LeasedTurn) -> int:
    return len(turn.step_keys)
