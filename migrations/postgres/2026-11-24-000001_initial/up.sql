-- Organizations own everything; every key begins with one.
CREATE TABLE organizations (
    id UUID NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL
);

CREATE TABLE agents (
    organization_id UUID NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    id UUID NOT NULL,
    name TEXT NOT NULL,
    description TEXT,
    system_prompt TEXT NOT NULL,
    tags TEXT[] NOT NULL,
    status TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (organization_id, id)
);
CREATE INDEX agents_by_status ON agents (organization_id, status, id);
CREATE INDEX agents_by_tag ON agents USING gin (tags);

CREATE TABLE sessions (
    organization_id UUID NOT NULL,
    id UUID NOT NULL,
    agent_id UUID NOT NULL,
    title TEXT,
    tags TEXT[] NOT NULL,
    status TEXT NOT NULL,
    epoch BIGINT NOT NULL,
    next_event_sequence BIGINT NOT NULL,
    next_message_sequence BIGINT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    started_at TIMESTAMPTZ,
    finished_at TIMESTAMPTZ,
    PRIMARY KEY (organization_id, id),
    FOREIGN KEY (organization_id, agent_id) REFERENCES agents (organization_id, id) ON DELETE CASCADE
);
CREATE INDEX sessions_by_tag ON sessions USING gin (tags);
CREATE INDEX sessions_by_agent ON sessions (organization_id, agent_id, id);

CREATE TABLE messages (
    organization_id UUID NOT NULL,
    session_id UUID NOT NULL,
    sequence BIGINT NOT NULL,
    id UUID NOT NULL,
    role TEXT NOT NULL,
    text TEXT NOT NULL,
    parts JSONB,
    turn_id UUID NOT NULL,
    step_id UUID,
    withdrawn_at TIMESTAMPTZ,
    created_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (organization_id, session_id, sequence),
    FOREIGN KEY (organization_id, session_id) REFERENCES sessions (organization_id, id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX messages_by_id ON messages (organization_id, id);

-- One user message to quiet again. `epoch` is the session's at the claim: every later write of the turn names it.
CREATE TABLE turns (
    organization_id UUID NOT NULL,
    session_id UUID NOT NULL,
    message_sequence BIGINT NOT NULL,
    id UUID NOT NULL,
    message_id UUID NOT NULL,
    status TEXT NOT NULL,
    stop_reason TEXT,
    error_code TEXT,
    error_message TEXT,
    epoch BIGINT NOT NULL,
    owner TEXT,
    lease_until TIMESTAMPTZ,
    attempts BIGINT NOT NULL,
    cancel_requested_at TIMESTAMPTZ,
    created_at TIMESTAMPTZ NOT NULL,
    started_at TIMESTAMPTZ,
    finished_at TIMESTAMPTZ,
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
    organization_id UUID NOT NULL,
    session_id UUID NOT NULL,
    started_sequence BIGINT NOT NULL,
    id UUID NOT NULL,
    turn_id UUID NOT NULL,
    step_index BIGINT NOT NULL,
    attempt BIGINT NOT NULL,
    status TEXT NOT NULL,
    model TEXT NOT NULL,
    text TEXT NOT NULL,
    reasoning TEXT,
    input_tokens BIGINT NOT NULL,
    output_tokens BIGINT NOT NULL,
    cached_input_tokens BIGINT NOT NULL,
    reasoning_tokens BIGINT NOT NULL,
    started_at TIMESTAMPTZ NOT NULL,
    finished_at TIMESTAMPTZ,
    PRIMARY KEY (organization_id, session_id, started_sequence),
    FOREIGN KEY (organization_id, session_id) REFERENCES sessions (organization_id, id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX steps_by_id ON steps (organization_id, id);
CREATE INDEX steps_by_turn ON steps (organization_id, turn_id, started_sequence);

CREATE TABLE tool_calls (
    organization_id UUID NOT NULL,
    session_id UUID NOT NULL,
    id UUID NOT NULL,
    turn_id UUID NOT NULL,
    step_id UUID NOT NULL,
    position BIGINT NOT NULL,
    call_key TEXT NOT NULL,
    name TEXT NOT NULL,
    arguments JSONB NOT NULL,
    status TEXT NOT NULL,
    result JSONB,
    error TEXT,
    started_at TIMESTAMPTZ NOT NULL,
    finished_at TIMESTAMPTZ,
    PRIMARY KEY (organization_id, session_id, id),
    FOREIGN KEY (organization_id, session_id) REFERENCES sessions (organization_id, id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX tool_calls_by_id ON tool_calls (organization_id, id);
CREATE INDEX tool_calls_by_step ON tool_calls (organization_id, step_id, position);

-- Facts, append only, numbered 1..n per session without a hole.
CREATE TABLE events (
    organization_id UUID NOT NULL,
    session_id UUID NOT NULL,
    sequence BIGINT NOT NULL,
    kind TEXT NOT NULL,
    turn_id UUID NOT NULL,
    step_id UUID,
    message_id UUID,
    message_sequence BIGINT,
    tool_call_id UUID,
    stop_reason TEXT,
    error_code TEXT,
    error_message TEXT,
    created_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (organization_id, session_id, sequence),
    FOREIGN KEY (organization_id, session_id) REFERENCES sessions (organization_id, id) ON DELETE CASCADE
);
