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

_EVALUATE = """
CREATE TABLE evaluators (
    evaluator_id TEXT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
) WITHOUT ROWID;
CREATE TABLE evaluator_versions (
    evaluator_id TEXT NOT NULL REFERENCES evaluators ON DELETE CASCADE,
    version INTEGER NOT NULL,
    message TEXT NOT NULL,
    definition TEXT NOT NULL,
    created_at_ns INTEGER NOT NULL,
    PRIMARY KEY (evaluator_id, version)
) WITHOUT ROWID;
CREATE TABLE tasks (
    task_id TEXT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    project TEXT,
    is_continuous INTEGER NOT NULL,
    judges_sessions INTEGER NOT NULL,
    paused INTEGER NOT NULL DEFAULT 0,
    definition TEXT NOT NULL,
    created_at_ns INTEGER NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    due_at_ns INTEGER NOT NULL DEFAULT 0,
    waits_for TEXT,
    error TEXT
) WITHOUT ROWID;
CREATE TABLE task_runs (
    run_id TEXT PRIMARY KEY,
    task_id TEXT NOT NULL REFERENCES tasks ON DELETE CASCADE,
    kind TEXT NOT NULL,
    status TEXT NOT NULL,
    scope TEXT NOT NULL,
    started_at_ns INTEGER NOT NULL,
    ended_at_ns INTEGER,
    judged INTEGER NOT NULL DEFAULT 0,
    skipped INTEGER NOT NULL DEFAULT 0,
    failed INTEGER NOT NULL DEFAULT 0,
    spent_usd REAL NOT NULL DEFAULT 0,
    attempts INTEGER NOT NULL DEFAULT 0,
    message TEXT
) WITHOUT ROWID;
CREATE INDEX task_runs_by_task ON task_runs (task_id, started_at_ns);
CREATE INDEX task_runs_open ON task_runs (task_id) WHERE status = 'running';
CREATE TABLE task_items (
    task_id TEXT NOT NULL REFERENCES tasks ON DELETE CASCADE,
    session_key INTEGER NOT NULL REFERENCES sessions ON DELETE CASCADE,
    turn_key INTEGER NOT NULL,
    state TEXT NOT NULL DEFAULT 'waiting',
    attempts INTEGER NOT NULL DEFAULT 0,
    due_at_ns INTEGER NOT NULL DEFAULT 0,
    error TEXT,
    PRIMARY KEY (task_id, session_key, turn_key)
) WITHOUT ROWID;
CREATE INDEX task_items_due ON task_items (due_at_ns) WHERE state = 'waiting';
CREATE INDEX task_items_by_session ON task_items (session_key);
CREATE TRIGGER final_turn_came AFTER INSERT ON turns WHEN NEW.final = 1 BEGIN
    INSERT OR REPLACE INTO task_items (task_id, session_key, turn_key, due_at_ns)
    SELECT task_id, NEW.session_key,
        CASE judges_sessions WHEN 1 THEN 0 ELSE NEW.turn_key END,
        CASE judges_sessions WHEN 1 THEN
            ifnull(NEW.ended_at_ns, NEW.started_at_ns) + 1800000000000 ELSE 0 END
    FROM tasks WHERE is_continuous = 1 AND created_at_ns <= NEW.started_at_ns
    AND (project IS NULL OR project IN
        (SELECT project FROM sessions WHERE session_key = NEW.session_key));
END;
CREATE TRIGGER turn_became_final AFTER UPDATE OF final ON turns WHEN NEW.final > OLD.final BEGIN
    INSERT OR REPLACE INTO task_items (task_id, session_key, turn_key, due_at_ns)
    SELECT task_id, NEW.session_key,
        CASE judges_sessions WHEN 1 THEN 0 ELSE NEW.turn_key END,
        CASE judges_sessions WHEN 1 THEN
            ifnull(NEW.ended_at_ns, NEW.started_at_ns) + 1800000000000 ELSE 0 END
    FROM tasks WHERE is_continuous = 1 AND created_at_ns <= NEW.started_at_ns
    AND (project IS NULL OR project IN
        (SELECT project FROM sessions WHERE session_key = NEW.session_key));
END;
ALTER TABLE annotations ADD COLUMN unpushed INTEGER NOT NULL DEFAULT 0;
CREATE INDEX annotations_unpushed ON annotations (updated_at_ns) WHERE unpushed = 1;
CREATE TABLE pushes (
    annotation_key INTEGER NOT NULL REFERENCES annotations ON DELETE CASCADE,
    destination_key INTEGER NOT NULL REFERENCES destinations,
    updated_at_ns INTEGER NOT NULL,
    state TEXT NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    due_at_ns INTEGER NOT NULL DEFAULT 0,
    paused_by TEXT,
    error TEXT,
    PRIMARY KEY (annotation_key, destination_key)
) WITHOUT ROWID;
CREATE INDEX pushes_open ON pushes (destination_key, state) WHERE state != 'pushed';
CREATE TRIGGER annotation_written AFTER INSERT ON annotations BEGIN
    UPDATE annotations SET unpushed = 1 WHERE annotation_key = NEW.annotation_key AND EXISTS (
        SELECT 1 FROM outbox WHERE turn_key = NEW.turn_key
        UNION ALL
        SELECT 1 FROM turns JOIN outbox USING (turn_key)
        WHERE NEW.turn_key IS NULL AND session_key = NEW.session_key);
END;
CREATE TRIGGER annotation_replaced AFTER UPDATE OF updated_at_ns ON annotations BEGIN
    UPDATE annotations SET unpushed = 1 WHERE annotation_key = NEW.annotation_key AND EXISTS (
        SELECT 1 FROM outbox WHERE turn_key = NEW.turn_key
        UNION ALL
        SELECT 1 FROM turns JOIN outbox USING (turn_key)
        WHERE NEW.turn_key IS NULL AND session_key = NEW.session_key);
END;
CREATE TRIGGER span_goes_out AFTER INSERT ON outbox BEGIN
    UPDATE annotations SET unpushed = 1 WHERE turn_key = NEW.turn_key AND unpushed = 0;
    UPDATE annotations SET unpushed = 1 WHERE span_id = '' AND unpushed = 0
    AND session_key = (SELECT session_key FROM turns WHERE turn_key = NEW.turn_key);
END;
CREATE TRIGGER span_goes_out_again AFTER UPDATE OF state ON outbox
WHEN OLD.state IN ('dead', 'dropped') BEGIN
    UPDATE annotations SET unpushed = 1 WHERE turn_key = NEW.turn_key AND unpushed = 0;
    UPDATE annotations SET unpushed = 1 WHERE span_id = '' AND unpushed = 0
    AND session_key = (SELECT session_key FROM turns WHERE turn_key = NEW.turn_key);
END;
CREATE TABLE proposals (
    proposal_id TEXT PRIMARY KEY,
    state TEXT NOT NULL,
    body TEXT NOT NULL,
    created_at_ns INTEGER NOT NULL,
    changed_at_ns INTEGER NOT NULL
) WITHOUT ROWID;
"""

MIGRATIONS: tuple[Migration, ...] = (
    Migration(1, "outbox", _OUTBOX),
    Migration(2, "sums, search and annotations", _OBSERVE),
    Migration(3, "evaluators, tasks, pushes and proposals", _EVALUATE),
)
