-- Who signs in. An e-mail is kept in lower case; a user without a password signs in elsewhere.
CREATE TABLE users (
    organization_id UUID NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    id UUID NOT NULL,
    email TEXT NOT NULL,
    name TEXT,
    password_hash TEXT,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (organization_id, id)
);
CREATE UNIQUE INDEX users_by_email ON users (email);

-- Who a user is at Google or GitHub.
CREATE TABLE user_identities (
    organization_id UUID NOT NULL,
    provider TEXT NOT NULL,
    subject TEXT NOT NULL,
    user_id UUID NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (organization_id, provider, subject),
    FOREIGN KEY (organization_id, user_id) REFERENCES users (organization_id, id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX user_identities_by_subject ON user_identities (provider, subject);

-- A sign-in: the family of the refresh tokens that go back to it. Access tokens name it.
CREATE TABLE logins (
    organization_id UUID NOT NULL,
    id UUID NOT NULL,
    user_id UUID NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    expires_at TIMESTAMPTZ NOT NULL,
    revoked_at TIMESTAMPTZ,
    PRIMARY KEY (organization_id, id),
    FOREIGN KEY (organization_id, user_id) REFERENCES users (organization_id, id) ON DELETE CASCADE
);
CREATE INDEX logins_by_user ON logins (organization_id, user_id, expires_at);

CREATE TABLE refresh_tokens (
    organization_id UUID NOT NULL,
    login_id UUID NOT NULL,
    token_hash BYTEA NOT NULL,
    uses BIGINT NOT NULL,
    used_at TIMESTAMPTZ,
    created_at TIMESTAMPTZ NOT NULL,
    expires_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (organization_id, login_id, token_hash),
    FOREIGN KEY (organization_id, login_id) REFERENCES logins (organization_id, id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX refresh_tokens_by_hash ON refresh_tokens (token_hash);

CREATE TABLE api_keys (
    organization_id UUID NOT NULL,
    id UUID NOT NULL,
    user_id UUID NOT NULL,
    name TEXT NOT NULL,
    key_hash BYTEA NOT NULL,
    key_prefix TEXT NOT NULL,
    scopes TEXT[] NOT NULL,
    expires_at TIMESTAMPTZ,
    last_used_at TIMESTAMPTZ,
    created_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (organization_id, id),
    FOREIGN KEY (organization_id, user_id) REFERENCES users (organization_id, id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX api_keys_by_hash ON api_keys (key_hash);

-- `api_key` is sealed: nobody reads it without the server's key and this very row.
CREATE TABLE llm_providers (
    organization_id UUID NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    id UUID NOT NULL,
    name TEXT NOT NULL,
    provider_type TEXT NOT NULL,
    base_url TEXT,
    api_key BYTEA,
    api_key_last4 TEXT,
    is_default BOOLEAN NOT NULL,
    status TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (organization_id, id)
);
CREATE UNIQUE INDEX llm_providers_default ON llm_providers (organization_id) WHERE is_default;

CREATE TABLE llm_models (
    organization_id UUID NOT NULL,
    id UUID NOT NULL,
    provider_id UUID NOT NULL,
    model_id TEXT NOT NULL,
    display_name TEXT NOT NULL,
    context_window BIGINT,
    input_price_per_million DOUBLE PRECISION,
    output_price_per_million DOUBLE PRECISION,
    is_default BOOLEAN NOT NULL,
    status TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (organization_id, id),
    FOREIGN KEY (organization_id, provider_id) REFERENCES llm_providers (organization_id, id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX llm_models_by_name ON llm_models (organization_id, provider_id, model_id);
CREATE UNIQUE INDEX llm_models_default ON llm_models (organization_id) WHERE is_default;

-- Which model shall answer, from the widest choice to the narrowest. No foreign keys: deleting a model checks who names it.
ALTER TABLE agents ADD COLUMN default_model_id UUID;
ALTER TABLE sessions ADD COLUMN model_id UUID;
ALTER TABLE messages ADD COLUMN model_id UUID;

CREATE INDEX agents_by_model ON agents (organization_id, default_model_id) WHERE default_model_id IS NOT NULL;
CREATE INDEX sessions_by_model ON sessions (organization_id, model_id) WHERE model_id IS NOT NULL;

CREATE TABLE agent_capabilities (
    organization_id UUID NOT NULL,
    agent_id UUID NOT NULL,
    capability_id TEXT NOT NULL,
    position BIGINT NOT NULL,
    PRIMARY KEY (organization_id, agent_id, capability_id),
    FOREIGN KEY (organization_id, agent_id) REFERENCES agents (organization_id, id) ON DELETE CASCADE
);

-- What a provider attached to a call and wants back with it.
ALTER TABLE tool_calls ADD COLUMN signature TEXT;
-- The provider's own name of a call, by which its result is told.
ALTER TABLE tool_calls ADD COLUMN provider_call_id TEXT;

CREATE TABLE session_files (
    organization_id UUID NOT NULL,
    session_id UUID NOT NULL,
    -- In the order of its bytes, whatever the database's language.
    path TEXT COLLATE "C" NOT NULL,
    content BYTEA NOT NULL,
    encoding TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (organization_id, session_id, path),
    FOREIGN KEY (organization_id, session_id) REFERENCES sessions (organization_id, id) ON DELETE CASCADE
);
