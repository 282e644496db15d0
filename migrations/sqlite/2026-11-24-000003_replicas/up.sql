-- What a request with an idempotency key made: neither the key nor the input can be read from it.
CREATE TABLE idempotency_keys (
    organization_id BLOB NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    key_hash BLOB NOT NULL,
    mutation TEXT NOT NULL,
    input_hash BLOB NOT NULL,
    row_id BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (organization_id, key_hash)
);
CREATE INDEX idempotency_keys_by_age ON idempotency_keys (organization_id, created_at);

-- Claims in a row that led to nothing stored: a turn that takes its server down is not begun for ever.
ALTER TABLE turns ADD COLUMN fruitless_claims INTEGER NOT NULL DEFAULT 0;
