-- The schema, as migrations: each is applied once, in order, inside one transaction.

-- migration: 1
CREATE TABLE qml_jobs (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,  -- a plain rowid would be used again after a delete
    id TEXT NOT NULL UNIQUE,
    version INTEGER NOT NULL,
    state TEXT NOT NULL,
    queue TEXT NOT NULL,
    priority INTEGER NOT NULL,
    method TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    fence INTEGER NOT NULL,
    max_attempts INTEGER NOT NULL,
    ahead INTEGER NOT NULL,
    worker TEXT,
    locked_by TEXT,
    lease_until INTEGER,                    -- times: microseconds since 1970 UTC
    due_at INTEGER,
    finished_at INTEGER,
    purge_at INTEGER,
    expires_at INTEGER,
    created_at INTEGER NOT NULL,
    key_held INTEGER NOT NULL,
    unique_key TEXT,
    unique_while TEXT NOT NULL,
    max_retries INTEGER,
    timeout_seconds REAL,
    job_type TEXT,
    detail TEXT NOT NULL,
    failures TEXT NOT NULL,
    metadata TEXT NOT NULL,
    ready INTEGER NOT NULL
);
CREATE TABLE qml_payloads (
    seq INTEGER PRIMARY KEY,
    body TEXT NOT NULL,
    notes TEXT NOT NULL
);
CREATE TABLE qml_meta (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE qml_records (
    name TEXT PRIMARY KEY,
    version INTEGER NOT NULL,
    body TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX qml_jobs_ready_any ON qml_jobs (priority DESC, seq) WHERE ready = 1;
CREATE INDEX qml_jobs_ready_in ON qml_jobs (queue, priority DESC, seq) WHERE ready = 1;
CREATE INDEX qml_jobs_waiting ON qml_jobs (due_at, seq) WHERE ready = 0 AND due_at IS NOT NULL;
CREATE INDEX qml_jobs_running ON qml_jobs (lease_until, seq) WHERE state = 'processing';
CREATE INDEX qml_jobs_finished ON qml_jobs (state, finished_at, seq)
    WHERE finished_at IS NOT NULL AND purge_at IS NULL;
CREATE INDEX qml_jobs_leaving ON qml_jobs (purge_at, seq) WHERE purge_at IS NOT NULL;
CREATE INDEX qml_jobs_expiring ON qml_jobs (expires_at, seq)
    WHERE expires_at IS NOT NULL AND due_at IS NOT NULL;
CREATE INDEX qml_jobs_listing ON qml_jobs (state, seq);
CREATE UNIQUE INDEX qml_jobs_unique_key ON qml_jobs (unique_key) WHERE key_held > 0;
