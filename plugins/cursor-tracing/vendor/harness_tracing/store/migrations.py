"""What takes a store of an earlier minor version to this one; schema.sql already holds it all."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Migration:
    """One additive step from schema `minor - 1` to `minor` of the current major version."""

    minor: int
    name: str
    sql: str


_OUTBOX = """
CREATE TABLE backends (
    backend_key INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    endpoint TEXT NOT NULL,
    space TEXT NOT NULL,
    failures INTEGER NOT NULL DEFAULT 0,
    failing_since_ns INTEGER,
    due_at_ns INTEGER NOT NULL DEFAULT 0,
    paused_by TEXT,
    last_error TEXT,
    delivered_at_ns INTEGER,
    UNIQUE (kind, endpoint, space)
);
CREATE TABLE destinations (
    destination_key INTEGER PRIMARY KEY,
    backend_key INTEGER NOT NULL REFERENCES backends,
    project TEXT NOT NULL,
    settings TEXT NOT NULL,
    UNIQUE (backend_key, settings)
);
CREATE TABLE outbox (
    turn_key INTEGER NOT NULL REFERENCES turns ON DELETE CASCADE,
    destination_key INTEGER NOT NULL REFERENCES destinations,
    step_key INTEGER NOT NULL,
    state TEXT NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    lease TEXT,
    leased_until_ns INTEGER,
    changed_at_ns INTEGER NOT NULL,
    error TEXT,
    PRIMARY KEY (turn_key, destination_key, step_key)
) WITHOUT ROWID;
CREATE INDEX outbox_open ON outbox (destination_key, state)
    WHERE state IN ('waiting', 'sent', 'dead');
"""

MIGRATIONS: tuple[Migration, ...] = (Migration(1, "outbox", _OUTBOX),)
