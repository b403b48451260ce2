-- The schema, as migrations: each is applied once, in order, inside one transaction.
-- "{schema}" is the quoted name of the schema.

-- migration: 1
CREATE TABLE {schema}.qml_jobs (
    seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    -- What is always there and of one width comes first, then what is of one width: the server finds
    -- such columns without a walk past those before them.
    version bigint NOT NULL,
    attempt bigint NOT NULL,
    fence bigint NOT NULL,
    max_attempts bigint NOT NULL,
    created_at bigint NOT NULL,     -- times: microseconds since 1970 UTC
    stamp bigint NOT NULL,          -- the call that wrote the row last; see connections.py
    priority integer NOT NULL,
    ahead smallint NOT NULL,
    key_held smallint NOT NULL,
    ready boolean NOT NULL,
    lease_until bigint,
    due_at bigint,
    finished_at bigint,
    purge_at bigint,
    expires_at bigint,
    max_retries bigint,
    timeout_seconds double precision,
    -- COLLATE "C": by bytes, as every other store orders and compares.
    id text COLLATE "C" NOT NULL,
    state text COLLATE "C" NOT NULL,
    queue text COLLATE "C" NOT NULL,
    method text COLLATE "C" NOT NULL,
    worker text COLLATE "C",
    locked_by text COLLATE "C",
    unique_key text COLLATE "C",
    unique_while text COLLATE "C" NOT NULL,
    job_type text COLLATE "C",
    detail text COLLATE "C" NOT NULL,
    failures text COLLATE "C" NOT NULL,
    metadata text COLLATE "C" NOT NULL,
    -- In the same row: a large one is kept apart by the server, and no update writes it again (to
    -- finish a job costs 20 us with 20 bytes and with 16 kB).
    payload text COLLATE "C" NOT NULL,
    notes text COLLATE "C" NOT NULL
)
-- Each job leaves two dead rows and more. The server's own measure, a fifth of the table, would let
-- them pile up with every finished job that is kept: 300,000 kept, 80,000 done: 58 MB more, 43 so.
-- No fillfactor: every change of state changes an index, so no update stays in its page.
WITH (
    autovacuum_vacuum_scale_factor = 0.02,
    autovacuum_vacuum_threshold = 1000,
    autovacuum_analyze_scale_factor = 0.05
);
CREATE UNIQUE INDEX qml_jobs_id ON {schema}.qml_jobs (id);
CREATE INDEX qml_jobs_ready_any ON {schema}.qml_jobs (priority DESC, seq) WHERE ready;
CREATE INDEX qml_jobs_ready_in ON {schema}.qml_jobs (queue, priority DESC, seq) WHERE ready;
CREATE INDEX qml_jobs_waiting ON {schema}.qml_jobs (due_at, seq)
    WHERE NOT ready AND due_at IS NOT NULL;
CREATE INDEX qml_jobs_running ON {schema}.qml_jobs (lease_until, seq) WHERE state = 'processing';
CREATE INDEX qml_jobs_finished ON {schema}.qml_jobs (state, finished_at, seq)
    WHERE finished_at IS NOT NULL AND purge_at IS NULL;
CREATE INDEX qml_jobs_overdue ON {schema}.qml_jobs (purge_at, seq) WHERE purge_at IS NOT NULL;
CREATE INDEX qml_jobs_expiring ON {schema}.qml_jobs (expires_at, seq)
    WHERE expires_at IS NOT NULL AND due_at IS NOT NULL;
CREATE INDEX qml_jobs_listing ON {schema}.qml_jobs (state, seq);
CREATE UNIQUE INDEX qml_jobs_unique_key ON {schema}.qml_jobs (unique_key) WHERE key_held > 0;
CREATE TABLE {schema}.qml_records (
    name text COLLATE "C" PRIMARY KEY,
    version bigint NOT NULL,
    body text COLLATE "C" NOT NULL,
    stamp bigint NOT NULL
);
CREATE TABLE {schema}.qml_meta (
    name text COLLATE "C" PRIMARY KEY,
    value text COLLATE "C" NOT NULL
);
