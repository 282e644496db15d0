-- Organizations own everything; every key begins with one.
CREATE TABLE organizations (
    id BLOB NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    created_at INTEGER NOT NULL
);

CREATE TABLE agents (
    organization_id BLOB NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    id BLOB NOT NULL,
    name TEXT NOT NULL,
    description TEXT,
    system_prompt TEXT NOT NULL,
    tags TEXT NOT NULL,
    status TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (organization_id, id)
);
CREATE INDEX agents_by_status ON agents (organization_id, status, id);

CREATE TABLE sessions (
    organization_id BLOB NOT NULL,
    id BLOB NOT NULL,
    agent_id BLOB NOT NULL,
    title TEXT,
    tags TEXT NOT NULL,
    status TEXT NOT NULL,
    epoch INTEGER NOT NULL,
    next_event_sequence INTEGER NOT NULL,
    next_message_sequence INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    started_at INTEGER,
    finished_at INTEGER,
    PRIMARY KEY (organization_id, id),
    FOREIGN KEY (organization_id, agent_id) REFERENCES agents (organization_id, id) ON DELETE CASCADE
);
CREATE INDEX sessions_by_agent ON sessions (organization_id, agent_id, id);

CREATE TABLE messages (
    organization_id BLOB NOT NULL,
    session_id BLOB NOT NULL,
    sequence INTEGER NOT NULL,
    id BLOB NOT NULL,
    role TEXT NOT NULL,
    text TEXT NOT NULL,
    parts TEXT,
    turn_id BLOB NOT NULL,
    step_id BLOB,
    withdrawn_at INTEGER,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (organization_id, session_id, sequence),
    FOREIGN KEY (organization_id, session_id) REFERENCES sessions (organization_id, id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX messages_by_id ON messages (organization_id, id);

-- One user message to quiet again. `epoch` is the session's at the claim: every later write of the turn names it.
CREATE TABLE turns (
    organization_id BLOB NOT NULL,
    session_id BLOB NOT NULL,
    message_sequence INTEGER NOT NULL,
    id BLOB NOT NULL,
    message_id BLOB NOT NULL,
    status TEXT NOT NULL,
    stop_reason TEXT,
    error_code TEXT,
    error_message TEXT,
    epoch INTEGER NOT NULL,
    owner TEXT,
    lease_until INTEGER,
    attempts INTEGER NOT NULL,
    cancel_requested_at INTEGER,
    created_at INTEGER NOT NULL,
    started_at INTEGER,
    finished_at INTEGER,
    PRIMARY KEY (organization_id, session_id, message_sequence),
    FOREIGN KEY (organization_id, session_id) REFERENCES sessions (organization_id, id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX turns_by_id ON turns (organization_id, id);
-- At most one running turn per session.
CREATE UNIQUE INDEX turns_one_running ON turns (organization_id, session_id) WHERE status = 'running';
CREATE INDEX turns_queue ON turns (created_at, message_sequence) WHERE status = 'queued';
CREATE INDEX turns_waiting ON turns (organization_id, session_id, message_sequence) WHERE status = 'queued';
CREATE INDEX turns_leases ON turns (lease_until) WHERE status = 'running';

-- One model call in a turn. `started_sequence` is its step.started event: the first half of its deltas' cursors.
CREATE TABLE steps (
    organization_id BLOB NOT NULL,
    session_id BLOB NOT NULL,
    started_sequence INTEGER NOT NULL,
    id BLOB NOT NULL,
    turn_id BLOB NOT NULL,
    step_index INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    status TEXT NOT NULL,
    model TEXT NOT NULL,
    text TEXT NOT NULL,
    reasoning TEXT,
    input_tokens INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL,
    cached_input_tokens INTEGER NOT NULL,
    reasoning_tokens INTEGER NOT NULL,
    started_at INTEGER NOT NULL,
    finished_at INTEGER,
    PRIMARY KEY (organization_id, session_id, started_sequence),
    FOREIGN KEY (organization_id, session_id) REFERENCES sessions (organization_id, id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX steps_by_id ON steps (organization_id, id);
CREATE INDEX steps_by_turn ON steps (organization_id, turn_id, started_sequence);

CREATE TABLE tool_calls (
    organization_id BLOB NOT NULL,
    session_id BLOB NOT NULL,
    id BLOB NOT NULL,
    turn_id BLOB NOT NULL,
    step_id BLOB NOT NULL,
    position INTEGER NOT NULL,
    call_key TEXT NOT NULL,
    name TEXT NOT NULL,
    arguments TEXT NOT NULL,
    status TEXT NOT NULL,
    result TEXT,
    error TEXT,
    started_at INTEGER NOT NULL,
    finished_at INTEGER,
    PRIMARY KEY (organization_id, session_id, id),
    FOREIGN KEY (organization_id, session_id) REFERENCES sessions (organization_id, id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX tool_calls_by_id ON tool_calls (organization_id, id);
CREATE INDEX tool_calls_by_step ON tool_calls (organization_id, step_id, position);

-- Facts, append only, numbered 1..n per session without a hole.
CREATE TABLE events (
    organization_id BLOB NOT NULL,
    session_id BLOB NOT NULL,
    sequence INTEGER NOT NULL,
    kind TEXT NOT NULL,
    turn_id BLOB NOT NULL,
    step_id BLOB,
    message_id BLOB,
    message_sequence INTEGER,
    tool_call_id BLOB,
    stop_reason TEXT,
    error_code TEXT,
    error_message TEXT,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (organization_id, session_id, sequence),
    FOREIGN KEY (organization_id, session_id) REFERENCES sessions (organization_id, id) ON DELETE CASCADE
) WITHOUT ROWID;
