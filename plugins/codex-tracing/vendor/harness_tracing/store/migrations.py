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

_OBSERVE = """
ALTER TABLE turns ADD COLUMN model_calls INTEGER;
ALTER TABLE turns ADD COLUMN tools INTEGER;
ALTER TABLE turns ADD COLUMN subagents INTEGER;
ALTER TABLE turns ADD COLUMN failures INTEGER;
ALTER TABLE turns ADD COLUMN summarized INTEGER NOT NULL DEFAULT 0;
ALTER TABLE turns ADD COLUMN indexed INTEGER NOT NULL DEFAULT 0;
ALTER TABLE steps ADD COLUMN indexed INTEGER NOT NULL DEFAULT 0;
CREATE INDEX turns_unsummarized ON turns (turn_key) WHERE final = 1 AND summarized = 0;
CREATE INDEX turns_unindexed ON turns (turn_key) WHERE final = 1 AND indexed = 0;
CREATE INDEX steps_unindexed ON steps (turn_key) WHERE late != 0 AND indexed = 0;
CREATE TABLE turn_models (
    turn_key INTEGER NOT NULL REFERENCES turns ON DELETE CASCADE,
    model TEXT NOT NULL,
    calls INTEGER NOT NULL,
    failures INTEGER NOT NULL,
    unpriced INTEGER NOT NULL,
    duration_ns INTEGER,
    input_tokens INTEGER,
    output_tokens INTEGER,
    cache_read_tokens INTEGER,
    cache_write_tokens INTEGER,
    cache_write_1h_tokens INTEGER,
    reasoning_tokens INTEGER,
    cost_usd REAL,
    PRIMARY KEY (turn_key, model)
) WITHOUT ROWID;
CREATE TABLE turn_tools (
    turn_key INTEGER NOT NULL REFERENCES turns ON DELETE CASCADE,
    tool TEXT NOT NULL,
    calls INTEGER NOT NULL,
    failures INTEGER NOT NULL,
    denied INTEGER NOT NULL,
    duration_ns INTEGER,
    waited_ns INTEGER,
    PRIMARY KEY (turn_key, tool)
) WITHOUT ROWID;
CREATE TRIGGER late_step_came AFTER INSERT ON steps WHEN NEW.late != 0 BEGIN
    UPDATE turns SET summarized = 0 WHERE turn_key = NEW.turn_key AND summarized = 1;
END;
CREATE TRIGGER late_step_settled AFTER UPDATE OF late ON steps WHEN NEW.late != 0 BEGIN
    UPDATE turns SET summarized = 0 WHERE turn_key = NEW.turn_key AND summarized = 1;
END;
CREATE TABLE search_leftovers (
    turn_key INTEGER PRIMARY KEY
);
CREATE TRIGGER indexed_turn_deleted AFTER DELETE ON turns WHEN OLD.indexed = 1 BEGIN
    INSERT OR IGNORE INTO search_leftovers (turn_key) VALUES (OLD.turn_key);
END;
CREATE TABLE annotations (
    annotation_key INTEGER PRIMARY KEY,
    session_key INTEGER NOT NULL REFERENCES sessions ON DELETE CASCADE,
    turn_key INTEGER REFERENCES turns ON DELETE CASCADE,
    span_id TEXT NOT NULL,
    name TEXT NOT NULL,
    annotator_kind TEXT NOT NULL,
    identifier TEXT NOT NULL,
    label TEXT,
    score REAL,
    explanation TEXT,
    metadata TEXT,
    created_at_ns INTEGER NOT NULL,
    updated_at_ns INTEGER NOT NULL,
    UNIQUE (session_key, span_id, name, identifier)
);
CREATE INDEX annotations_by_turn ON annotations (turn_key);
"""

MIGRATIONS: tuple[Migration, ...] = (
    Migration(1, "outbox", _OUTBOX),
    Migration(2, "sums, search and annotations", _OBSERVE),
)
