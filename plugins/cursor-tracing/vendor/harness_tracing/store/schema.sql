-- One SQLite file holds every traced session. Tables that are listed, counted and filtered are
-- narrow; what is only read when somebody looks at one session lies in the tables of bodies.
-- A body is the JSON of the value in model.py, compressed with zlib when it is large (then its
-- first byte is 0x78 instead of "{"). Times are Unix nanoseconds, NULL means "not known". A
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
    UNIQUE (session_key, turn_id)
);
-- Finding the turn of a trace.
CREATE INDEX turns_by_trace ON turns (trace_id);
-- Finding a turn by its own span.
CREATE INDEX turns_by_span ON turns (span_id);
-- The turns a worker has to go on with or to close.
CREATE INDEX turns_open ON turns (session_key) WHERE final = 0;

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
    UNIQUE (turn_key, step_id)
);
-- Finding a step by its span.
CREATE INDEX steps_by_span ON steps (span_id);
-- Counting calls, tools and failures of many sessions without reading the steps themselves.
CREATE INDEX steps_by_kind ON steps (turn_key, kind, status);

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
