"""What was proposed to make an agent better, and what became of it. Bodies are not looked into."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

import msgspec

from harness_tracing.errors import StoreError
from harness_tracing.store import codec
from harness_tracing.store.database import explained, transaction
from harness_tracing.store.task_queue import has_tables

_ROWS = "SELECT proposal_id, state, body, created_at_ns, changed_at_ns FROM proposals"


@dataclass(frozen=True)
class ProposalRow:
    """A proposal as it was put, with its state and when it came into that (Unix ns)."""

    proposal_id: str
    state: str
    body: dict[str, Any]
    created_at_ns: int
    changed_at_ns: int


class Proposals:
    """The proposals of an open store. Each method is one transaction; StoreError as in `Store`."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        """Made by `Store.proposals`."""
        self._path, self._connection = path, connection

    def put(self, proposal_id: str, body: Mapping[str, Any], state: str, now_ns: int) -> None:
        """Keep a proposal; one of the same id is replaced, when it differs, and keeps its birth."""
        text = codec.whole_text(msgspec.json.encode(dict(body)).decode())
        with explained(self._path), transaction(self._connection):
            self._connection.execute(
                "INSERT INTO proposals VALUES (?, ?, ?, ?, ?) ON CONFLICT (proposal_id) DO UPDATE"
                " SET state = excluded.state, body = excluded.body,"
                " changed_at_ns = excluded.changed_at_ns"
                " WHERE state != excluded.state OR body != excluded.body",
                (proposal_id, state, text, now_ns, now_ns),
            )

    def set_state(self, proposal_id: str, state: str, now_ns: int) -> bool:
        """Note what became of a proposal; False when there is none of that id."""
        with explained(self._path), transaction(self._connection):
            done = self._connection.execute(
                "UPDATE proposals SET state = ?, changed_at_ns = ? WHERE proposal_id = ?",
                (state, now_ns, proposal_id),
            )
            return done.rowcount > 0

    def all(self, state: Optional[str] = None) -> list[ProposalRow]:
        """The proposals, in that state if one is given, the oldest first."""
        with self._reading() as there:
            if not there:
                return []
            order = "ORDER BY created_at_ns, proposal_id"
            if state is None:
                return self._rows(order)
            return self._rows(f"WHERE state = ? {order}", state)

    def get(self, id_or_beginning: str) -> Optional[ProposalRow]:
        """The proposal of that id or unique beginning of one; StoreError names several."""
        with self._reading() as there:
            if not there:
                return None
            where = "WHERE substr(proposal_id, 1, ?) = ?"
            found = self._rows(where, len(id_or_beginning), id_or_beginning)
        exact = [row for row in found if row.proposal_id == id_or_beginning]
        matching = exact or found
        if len(matching) > 1:
            names = ", ".join(row.proposal_id for row in matching)
            raise StoreError(f"{id_or_beginning!r} is the beginning of several proposals: {names}")
        return matching[0] if matching else None

    def _rows(self, rest: str, *values: object) -> list[ProposalRow]:
        return [
            ProposalRow(key, state, msgspec.json.decode(body, type=dict[str, Any]), *times)
            for key, state, body, *times in self._connection.execute(f"{_ROWS} {rest}", values)
        ]

    @contextmanager
    def _reading(self) -> Iterator[bool]:
        with explained(self._path):
            yield has_tables(self._connection)
