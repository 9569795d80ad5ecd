-- One SQLite file holds every traced session. Tables that are listed, counted and filtered are
-- narrow; what is only read when somebody looks at one session lies in the tables of bodies.
-- A body is the JSON of the value in model.py, compressed with zlib when it is large (then its
-- first byte is not "{"). Times are Unix nanoseconds, NULL means "not known". A
-- version may meet columns and tables that a newer one added: it leaves them alone.

-- What was done to the file since it was made: one row per schema version, written in the
-- transaction that brought it. `PRAGMA user_version` holds the newest (major * 1000 + minor).
CREATE TABLE migrations (
    version INTEGER PRIMARY KEY, -- schema version, major * 1000 + minor
    name TEXT NOT NULL,          -- what the migration brought
    applied_at_ns INTEGER NOT NULL -- when it was applied
);

-- One row per session of an agent.
CREATE TABLE sessions (
    session_key INTEGER PRIMARY KEY, -- our number for it, used by the other tables
    session_id TEXT NOT NULL,        -- the agent's own id
    agent TEXT NOT NULL,             -- the agent's name, such as claude-code
    project TEXT NOT NULL,           -- the project it is filed under
    started_at_ns INTEGER,           -- when the session began
    ended_at_ns INTEGER,             -- when it ended; NULL while it goes on or when it was not seen
    last_event_ns INTEGER,           -- the latest time seen in the session, its turns or steps
    body BLOB NOT NULL,              -- JSON of model.Session
    UNIQUE (session_id, agent)
);

-- From where a session's next worker goes on: the state of its reader, as of the last commit.
CREATE TABLE reader_states (
    session_key INTEGER PRIMARY KEY REFERENCES sessions ON DELETE CASCADE, -- whose state
    state BLOB NOT NULL -- opaque bytes; offsets into the agent's files are part of it
);

-- One row per turn: a prompt and everything that followed. Once `final` is 1 the turn and its
-- body never change; only its totals (tokens, cost) are raised when late steps come in.
CREATE TABLE turns (
    turn_key INTEGER PRIMARY KEY, -- our number for it
    session_key INTEGER NOT NULL REFERENCES sessions ON DELETE CASCADE, -- its session
    turn_id TEXT NOT NULL,        -- the agent's id of the turn
    number INTEGER NOT NULL,      -- its place in the session, from 1
    trace_id TEXT NOT NULL,       -- OpenTelemetry trace id, 32 hex digits
    span_id TEXT NOT NULL,        -- OpenTelemetry span id of the turn itself, 16 hex digits
    status TEXT NOT NULL,         -- completed, failed, interrupted or open
    final INTEGER NOT NULL,       -- 1 when the turn will not change any more
    started_at_ns INTEGER NOT NULL, -- when the prompt came
    ended_at_ns INTEGER,          -- when the agent was done with it; NULL while open
    model TEXT,                   -- model of the last call of the main agent
    input_tokens INTEGER,         -- all input, cache reads and writes included
    output_tokens INTEGER,        -- all output, reasoning included
    cache_read_tokens INTEGER,    -- input read from the provider's cache
    cache_write_tokens INTEGER,   -- input written to the provider's cache
    cache_write_1h_tokens INTEGER, -- the part of it that lives for an hour
    reasoning_tokens INTEGER,     -- the part of the output that was thinking
    cost_usd REAL,                -- price of the calls whose model has a price
    unpriced_models TEXT,         -- JSON list of models without a price; NULL when there are none
    repository_url TEXT,          -- remote of the repository it worked in
    repository_branch TEXT,       -- branch at the start of the turn
    repository_commit TEXT,       -- commit at the start of the turn
    prompt_start TEXT,            -- the first characters of the prompt, for lists
    model_calls INTEGER,          -- how many model calls it has; NULL until it is summarized
    tools INTEGER,                -- how many tool calls
    subagents INTEGER,            -- how many sub-agents
    failures INTEGER,             -- how many of those three failed
    summarized INTEGER NOT NULL DEFAULT 0, -- 1 when those counts, turn_models and turn_tools hold
    indexed INTEGER NOT NULL DEFAULT 0,    -- 1 when its texts are in the search index
    UNIQUE (session_key, turn_id)
);
-- Finding the turn of a trace.
CREATE INDEX turns_by_trace ON turns (trace_id);
-- Finding a turn by its own span.
CREATE INDEX turns_by_span ON turns (span_id);
-- The turns a worker has to go on with or to close.
CREATE INDEX turns_open ON turns (session_key) WHERE final = 0;
-- Final turns whose counts are not added up, or do not hold any more.
CREATE INDEX turns_unsummarized ON turns (turn_key) WHERE final = 1 AND summarized = 0;
-- Final turns that the search index does not have.
CREATE INDEX turns_unindexed ON turns (turn_key) WHERE final = 1 AND indexed = 0;

-- The whole of a turn without its steps.
CREATE TABLE turn_bodies (
    turn_key INTEGER PRIMARY KEY REFERENCES turns ON DELETE CASCADE, -- whose body
    body BLOB NOT NULL -- JSON of model.Turn, `steps` empty
);

-- One row per step of a turn: a model call, a tool call, a sub-agent or a moment.
CREATE TABLE steps (
    step_key INTEGER PRIMARY KEY, -- our number for it; grows in the order of first writing
    turn_key INTEGER NOT NULL REFERENCES turns ON DELETE CASCADE, -- its turn
    step_id TEXT NOT NULL,        -- its id within the turn, such as "call:req_1" or "tool:toolu_1"
    parent_id TEXT,               -- step_id of the step it hangs below; NULL: the turn itself
    span_id TEXT NOT NULL,        -- OpenTelemetry span id, 16 hex digits
    kind TEXT NOT NULL,           -- model_call, tool, subagent or moment
    name TEXT,                    -- tool name, type of sub-agent, kind of moment, kind of call
    status TEXT,                  -- ok, error, denied, interrupted, unknown, running; sub-agents as turns
    late INTEGER NOT NULL,        -- settled after its turn had become final: 1 came later, 2 ran already
    agent_id TEXT,                -- the sub-agent whose step it is; NULL: the main agent
    model TEXT,                   -- model of a call
    started_at_ns INTEGER,        -- start, or the time of a moment
    ended_at_ns INTEGER,          -- end
    waited_ns INTEGER,            -- how long a tool waited for a person
    input_tokens INTEGER,         -- all input, cache reads and writes included
    output_tokens INTEGER,        -- all output, reasoning included
    cache_read_tokens INTEGER,    -- input read from the provider's cache
    cache_write_tokens INTEGER,   -- input written to the provider's cache
    cache_write_1h_tokens INTEGER, -- the part of it that lives for an hour
    reasoning_tokens INTEGER,     -- the part of the output that was thinking
    error_type TEXT,              -- short name of what went wrong
    indexed INTEGER NOT NULL DEFAULT 0, -- 1 when a late step's texts are in the search index
    UNIQUE (turn_key, step_id)
);
-- Finding a step by its span.
CREATE INDEX steps_by_span ON steps (span_id);
-- Counting calls, tools and failures of many sessions without reading the steps themselves.
CREATE INDEX steps_by_kind ON steps (turn_key, kind, status);
-- Late steps that the search index does not have.
CREATE INDEX steps_unindexed ON steps (turn_key) WHERE late != 0 AND indexed = 0;

-- The whole of a step.
CREATE TABLE step_bodies (
    step_key INTEGER PRIMARY KEY REFERENCES steps ON DELETE CASCADE, -- whose body
    body BLOB NOT NULL -- JSON of model.ModelCall, ToolCall, Subagent or Moment (see steps.kind)
);

-- One row per account that turns are sent to: what credentials belong to. How it answered last
-- is known here, so that no process asks a backend again that has just refused another one.
CREATE TABLE backends (
    backend_key INTEGER PRIMARY KEY, -- our number for it
    kind TEXT NOT NULL,           -- ax, phoenix or otlp
    endpoint TEXT NOT NULL,       -- URL that requests go to, without user and query
    space TEXT NOT NULL,          -- AX: the space id; empty where there is nothing to tell apart
    failures INTEGER NOT NULL DEFAULT 0, -- attempts that failed in a row
    failing_since_ns INTEGER,     -- when the first of those was
    due_at_ns INTEGER NOT NULL DEFAULT 0, -- no attempt before this time
    paused_by TEXT,               -- fingerprint of the credentials it refused; NULL: not paused
    last_error TEXT,              -- what it answered last, when that was not a success
    delivered_at_ns INTEGER,      -- when it took something last
    UNIQUE (kind, endpoint, space)
);

-- One row per way of sending to a backend: what is told there, and in which shape.
CREATE TABLE destinations (
    destination_key INTEGER PRIMARY KEY, -- our number for it
    backend_key INTEGER NOT NULL REFERENCES backends, -- whom it sends to
    project TEXT NOT NULL,        -- the project that turns are filed under there
    settings TEXT NOT NULL,       -- JSON of destinations.Target
    UNIQUE (backend_key, settings)
);

-- One row per span and destination, written in the transaction that settles the span.
CREATE TABLE outbox (
    turn_key INTEGER NOT NULL REFERENCES turns ON DELETE CASCADE, -- the turn
    destination_key INTEGER NOT NULL REFERENCES destinations, -- where it goes
    step_key INTEGER NOT NULL,    -- the step whose span it is; 0: the turn's own span
    state TEXT NOT NULL,          -- waiting, sent (taken, not read back yet), delivered, dead, dropped
    attempts INTEGER NOT NULL DEFAULT 0, -- how often the backend answered to it
    lease TEXT,                   -- who is sending it now
    leased_until_ns INTEGER,      -- until when nobody else does
    changed_at_ns INTEGER NOT NULL, -- when it came into this state
    error TEXT,                   -- why it is dead, or why it has to be sent again
    PRIMARY KEY (turn_key, destination_key, step_key)
) WITHOUT ROWID;
-- Finding what is to be sent or read back without looking at what is done.
CREATE INDEX outbox_open ON outbox (destination_key, state)
    WHERE state IN ('waiting', 'sent', 'dead');

-- What each model did in a turn, added up: one row per turn and model. Only of turns that are
-- `summarized`; the rest is counted from their steps when it is asked for.
CREATE TABLE turn_models (
    turn_key INTEGER NOT NULL REFERENCES turns ON DELETE CASCADE, -- the turn
    model TEXT NOT NULL,          -- the model; empty when the agent did not tell
    calls INTEGER NOT NULL,       -- model calls
    failures INTEGER NOT NULL,    -- those in error
    unpriced INTEGER NOT NULL,    -- those whose model has no price
    duration_ns INTEGER,          -- time of the calls whose start and end are known
    input_tokens INTEGER,         -- all input, cache reads and writes included
    output_tokens INTEGER,        -- all output, reasoning included
    cache_read_tokens INTEGER,    -- input read from the provider's cache
    cache_write_tokens INTEGER,   -- input written to the provider's cache
    cache_write_1h_tokens INTEGER, -- the part of it that lives for an hour
    reasoning_tokens INTEGER,     -- the part of the output that was thinking
    cost_usd REAL,                -- its share of the turn's price
    PRIMARY KEY (turn_key, model)
) WITHOUT ROWID;

-- What each tool did in a turn, added up: one row per turn and tool, as turn_models.
CREATE TABLE turn_tools (
    turn_key INTEGER NOT NULL REFERENCES turns ON DELETE CASCADE, -- the turn
    tool TEXT NOT NULL,           -- the tool's name
    calls INTEGER NOT NULL,       -- tool calls
    failures INTEGER NOT NULL,    -- those in error
    denied INTEGER NOT NULL,      -- those that were not allowed
    duration_ns INTEGER,          -- time of the calls whose start and end are known
    waited_ns INTEGER,            -- the part of it in which a person was waited for
    PRIMARY KEY (turn_key, tool)
) WITHOUT ROWID;

-- A settled step that comes to a summarized turn makes its sums stale. Writers that know of
-- sums add them up anew in the same transaction; this is for those that do not.
CREATE TRIGGER late_step_came AFTER INSERT ON steps WHEN NEW.late != 0 BEGIN
    UPDATE turns SET summarized = 0 WHERE turn_key = NEW.turn_key AND summarized = 1;
END;
-- The same for a step that ran on after its turn was final.
CREATE TRIGGER late_step_settled AFTER UPDATE OF late ON steps WHEN NEW.late != 0 BEGIN
    UPDATE turns SET summarized = 0 WHERE turn_key = NEW.turn_key AND summarized = 1;
END;

-- The search index itself, `search`, is made when it is first used, for not every SQLite has
-- FTS5. It keeps no texts, so it can only forget a turn whose texts are still there. A row here
-- says that words of deleted turns are in it: 0, that they are to be merged away; a turn's key,
-- that somebody who does not know of the index deleted the turn, so it has to be made anew.
CREATE TABLE search_leftovers (
    turn_key INTEGER PRIMARY KEY -- the deleted turn, or 0
);
-- Whoever takes a turn out of the index before deleting it has set `indexed` to 0.
CREATE TRIGGER indexed_turn_deleted AFTER DELETE ON turns WHEN OLD.indexed = 1 BEGIN
    INSERT OR IGNORE INTO search_leftovers (turn_key) VALUES (OLD.turn_key);
END;

-- What people, code and models say of a turn or a step: scores, labels, explanations. Kept apart
-- from turns, so that a final turn never changes, and by span id, so that it outlives nothing
-- and waits for nothing. One row per name and identifier: writing again replaces.
CREATE TABLE annotations (
    annotation_key INTEGER PRIMARY KEY, -- our number for it
    session_key INTEGER NOT NULL REFERENCES sessions ON DELETE CASCADE, -- its session
    turn_key INTEGER REFERENCES turns ON DELETE CASCADE, -- its turn; NULL: it is about the whole session
    span_id TEXT NOT NULL,        -- the span it is about, 16 hex digits; empty: the whole session
    name TEXT NOT NULL,           -- what was judged, such as verified_before_done
    annotator_kind TEXT NOT NULL, -- HUMAN, CODE or LLM
    identifier TEXT NOT NULL,     -- tells apart several of one name on one span; empty when there is one
    label TEXT,                   -- the verdict in a word
    score REAL,                   -- the verdict as a number
    explanation TEXT,             -- why, in words
    metadata TEXT,                -- JSON object of what else its author knows; NULL when nothing
    created_at_ns INTEGER NOT NULL, -- when it was first written
    updated_at_ns INTEGER NOT NULL, -- when it was last replaced
    unpushed INTEGER NOT NULL DEFAULT 0, -- 1 while a backend that has its span may be without it
    UNIQUE (session_key, span_id, name, identifier)
);
-- Finding what was said of a turn's spans.
CREATE INDEX annotations_by_turn ON annotations (turn_key);
-- Finding what may have to be pushed.
CREATE INDEX annotations_unpushed ON annotations (updated_at_ns) WHERE unpushed = 1;

-- Evaluators that somebody made: what judges turns. Built-in rules are evaluators without a row.
CREATE TABLE evaluators (
    evaluator_id TEXT PRIMARY KEY, -- derived from the name
    name TEXT NOT NULL UNIQUE      -- what its results are called
) WITHOUT ROWID;

-- Each version of an evaluator: a result says which one gave it.
CREATE TABLE evaluator_versions (
    evaluator_id TEXT NOT NULL REFERENCES evaluators ON DELETE CASCADE, -- whose version
    version INTEGER NOT NULL,     -- from 1
    message TEXT NOT NULL,        -- what it brought, as its author says
    definition TEXT NOT NULL,     -- JSON of definitions.TemplateEvaluator or CodeEvaluator
    created_at_ns INTEGER NOT NULL, -- when it was made
    PRIMARY KEY (evaluator_id, version)
) WITHOUT ROWID;

-- Tasks: which evaluators judge which turns.
CREATE TABLE tasks (
    task_id TEXT PRIMARY KEY,     -- derived from the name
    name TEXT NOT NULL UNIQUE,    -- what the user calls it
    project TEXT,                 -- the project whose turns it judges; NULL: all
    is_continuous INTEGER NOT NULL, -- 1: it judges every turn that begins after it was made
    judges_sessions INTEGER NOT NULL, -- 1: it judges whole sessions; 0: turns or their spans
    paused INTEGER NOT NULL DEFAULT 0, -- 1: what is to be judged waits
    definition TEXT NOT NULL,     -- JSON of what else definitions.Task holds
    created_at_ns INTEGER NOT NULL, -- when it was made
    attempts INTEGER NOT NULL DEFAULT 0, -- how often its judge could not be asked, in a row
    due_at_ns INTEGER NOT NULL DEFAULT 0, -- it is not asked before
    waits_for TEXT,               -- the variable with the key that is missing
    error TEXT                    -- why it could not be asked
) WITHOUT ROWID;

-- What came of a task: one row for its continuous judging, one per pass over what was there.
CREATE TABLE task_runs (
    run_id TEXT PRIMARY KEY,      -- derived from the task and the start
    task_id TEXT NOT NULL REFERENCES tasks ON DELETE CASCADE, -- the task
    kind TEXT NOT NULL,           -- continuous or backfill
    status TEXT NOT NULL,         -- running, completed, stopped or failed
    scope TEXT NOT NULL,          -- JSON of definitions.Scope
    started_at_ns INTEGER NOT NULL, -- when it began
    ended_at_ns INTEGER,          -- when it ended; NULL while it runs
    judged INTEGER NOT NULL DEFAULT 0, -- results written
    skipped INTEGER NOT NULL DEFAULT 0, -- what had a result already
    failed INTEGER NOT NULL DEFAULT 0, -- what the judge gave no verdict on
    spent_usd REAL NOT NULL DEFAULT 0, -- what that cost
    attempts INTEGER NOT NULL DEFAULT 0, -- how often it was taken up
    message TEXT                  -- why it has ended
) WITHOUT ROWID;
-- The runs of a task.
CREATE INDEX task_runs_by_task ON task_runs (task_id, started_at_ns);
-- Passes that are to be gone on with.
CREATE INDEX task_runs_open ON task_runs (task_id) WHERE status = 'running';

-- What a continuous task has yet to judge. A row is written in the transaction that makes a turn
-- final, by a trigger, and deleted in the one that writes the results.
CREATE TABLE task_items (
    task_id TEXT NOT NULL REFERENCES tasks ON DELETE CASCADE, -- the task
    session_key INTEGER NOT NULL REFERENCES sessions ON DELETE CASCADE, -- the session
    turn_key INTEGER NOT NULL,    -- the turn; 0: the session as a whole
    state TEXT NOT NULL DEFAULT 'waiting', -- waiting, or failed: it is not tried again by itself
    attempts INTEGER NOT NULL DEFAULT 0, -- how often it was taken up
    due_at_ns INTEGER NOT NULL DEFAULT 0, -- not before; a whole session: when it is quiet for long
    error TEXT,                   -- what went wrong last
    PRIMARY KEY (task_id, session_key, turn_key)
) WITHOUT ROWID;
-- What is to be judged next.
CREATE INDEX task_items_due ON task_items (due_at_ns) WHERE state = 'waiting';
-- Finding what waits of a session that is deleted.
CREATE INDEX task_items_by_session ON task_items (session_key);

-- A turn that is final when it comes is to be judged by the continuous tasks of its project.
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
-- So is one that becomes final.
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

-- What became of annotations at the backends that have their spans. A row is about one version of
-- an annotation: when that was replaced since, its time is another.
CREATE TABLE pushes (
    annotation_key INTEGER NOT NULL REFERENCES annotations ON DELETE CASCADE, -- the annotation
    destination_key INTEGER NOT NULL REFERENCES destinations, -- where it goes
    updated_at_ns INTEGER NOT NULL, -- annotations.updated_at_ns of the version
    state TEXT NOT NULL,          -- pushed, later (this one failed), held (the backend failed), dead
    attempts INTEGER NOT NULL DEFAULT 0, -- how often this version was tried
    due_at_ns INTEGER NOT NULL DEFAULT 0, -- no attempt before this time
    paused_by TEXT,               -- fingerprint of the credentials it refused; NULL: not that
    error TEXT,                   -- what the backend answered, when that was not a success
    PRIMARY KEY (annotation_key, destination_key)
) WITHOUT ROWID;
-- What was tried in vain.
CREATE INDEX pushes_open ON pushes (destination_key, state) WHERE state != 'pushed';
-- An annotation is to be pushed when it is new and anything of its turn, or of any turn of its
-- session, goes anywhere;
CREATE TRIGGER annotation_written AFTER INSERT ON annotations BEGIN
    UPDATE annotations SET unpushed = 1 WHERE annotation_key = NEW.annotation_key AND EXISTS (
        SELECT 1 FROM outbox WHERE turn_key = NEW.turn_key
        UNION ALL
        SELECT 1 FROM turns JOIN outbox USING (turn_key)
        WHERE NEW.turn_key IS NULL AND session_key = NEW.session_key);
END;
-- when it was replaced;
CREATE TRIGGER annotation_replaced AFTER UPDATE OF updated_at_ns ON annotations BEGIN
    UPDATE annotations SET unpushed = 1 WHERE annotation_key = NEW.annotation_key AND EXISTS (
        SELECT 1 FROM outbox WHERE turn_key = NEW.turn_key
        UNION ALL
        SELECT 1 FROM turns JOIN outbox USING (turn_key)
        WHERE NEW.turn_key IS NULL AND session_key = NEW.session_key);
END;
-- when its turn goes somewhere else;
CREATE TRIGGER span_goes_out AFTER INSERT ON outbox BEGIN
    UPDATE annotations SET unpushed = 1 WHERE turn_key = NEW.turn_key AND unpushed = 0;
    UPDATE annotations SET unpushed = 1 WHERE span_id = '' AND unpushed = 0
    AND session_key = (SELECT session_key FROM turns WHERE turn_key = NEW.turn_key);
END;
-- and when that goes there again.
CREATE TRIGGER span_goes_out_again AFTER UPDATE OF state ON outbox
WHEN OLD.state IN ('dead', 'dropped') BEGIN
    UPDATE annotations SET unpushed = 1 WHERE turn_key = NEW.turn_key AND unpushed = 0;
    UPDATE annotations SET unpushed = 1 WHERE span_id = '' AND unpushed = 0
    AND session_key = (SELECT session_key FROM turns WHERE turn_key = NEW.turn_key);
END;

-- What was proposed to make an agent better, and what became of it.
CREATE TABLE proposals (
    proposal_id TEXT PRIMARY KEY, -- derived from what is proposed
    state TEXT NOT NULL,          -- proposed, applied, reverted or dismissed
    body TEXT NOT NULL,           -- JSON of the proposal
    created_at_ns INTEGER NOT NULL, -- when it was first made
    changed_at_ns INTEGER NOT NULL  -- when it came into this state, or was drafted anew
) WITHOUT ROWID;
