-- The schema, as migrations: each is applied once, in order, inside one transaction.

-- migration: 1
CREATE TABLE qml_jobs (
    seq INTEGER PRIMARY KEY,                -- given by its payload
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
    lane TEXT,
    permit TEXT,
    batch TEXT,
    counts TEXT,
    awaits TEXT,
    needs_all INTEGER NOT NULL DEFAULT 0,
    detail TEXT NOT NULL,
    failures TEXT NOT NULL,
    metadata TEXT NOT NULL,
    ready INTEGER NOT NULL
);
CREATE TABLE qml_payloads (                 -- the last one stays, emptied, when its row is erased:
    seq INTEGER PRIMARY KEY,                -- AUTOINCREMENT would cost a page for each commit
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
CREATE TABLE qml_lanes (                    -- of each lane with ready rows
    lane TEXT PRIMARY KEY,
    queue TEXT NOT NULL,
    permit TEXT,
    priority INTEGER NOT NULL,              -- the place of its best row, or a better one
    seq INTEGER NOT NULL,
    opens_at INTEGER                        -- closed until then, or less long; NULL: may be open
) WITHOUT ROWID;
CREATE TABLE qml_paces (
    pace TEXT PRIMARY KEY,
    time INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE qml_tallies (
    name TEXT PRIMARY KEY,
    unfinished INTEGER NOT NULL,
    open INTEGER NOT NULL,
    failed INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX qml_jobs_ready_any ON qml_jobs (priority DESC, seq)
    WHERE ready = 1 AND lane IS NULL;
CREATE INDEX qml_jobs_ready_in ON qml_jobs (queue, priority DESC, seq)
    WHERE ready = 1 AND lane IS NULL;
CREATE INDEX qml_jobs_ready_in_lane ON qml_jobs (lane, priority DESC, seq)
    WHERE ready = 1 AND lane IS NOT NULL;
CREATE INDEX qml_jobs_waiting ON qml_jobs (due_at, seq) WHERE ready = 0 AND due_at IS NOT NULL;
CREATE INDEX qml_jobs_running ON qml_jobs (lease_until, seq) WHERE state = 'processing';
CREATE INDEX qml_jobs_finished ON qml_jobs (state, finished_at, seq)
    WHERE finished_at IS NOT NULL AND purge_at IS NULL;
CREATE INDEX qml_jobs_leaving ON qml_jobs (purge_at, seq) WHERE purge_at IS NOT NULL;
CREATE INDEX qml_jobs_expiring ON qml_jobs (expires_at, seq)
    WHERE expires_at IS NOT NULL AND due_at IS NOT NULL;
CREATE INDEX qml_jobs_listing ON qml_jobs (state, queue, seq, method);
CREATE UNIQUE INDEX qml_jobs_unique_key ON qml_jobs (unique_key) WHERE key_held > 0;
CREATE INDEX qml_jobs_permits ON qml_jobs (permit, lease_until)
    WHERE permit IS NOT NULL AND lease_until IS NOT NULL AND locked_by IS NULL;
CREATE INDEX qml_jobs_batch ON qml_jobs (batch, seq) WHERE batch IS NOT NULL;
CREATE INDEX qml_jobs_awaiting ON qml_jobs (awaits) WHERE awaits IS NOT NULL;
CREATE INDEX qml_lanes_open ON qml_lanes (priority DESC, seq) WHERE opens_at IS NULL;
CREATE INDEX qml_lanes_open_in ON qml_lanes (queue, priority DESC, seq) WHERE opens_at IS NULL;
CREATE INDEX qml_lanes_closed ON qml_lanes (opens_at) WHERE opens_at IS NOT NULL;
CREATE INDEX qml_lanes_permit ON qml_lanes (permit) WHERE opens_at IS NOT NULL;
CREATE INDEX qml_paces_time ON qml_paces (time);

-- Triggers, so that no statement forgets what it does to others. Where none fires they cost 0.3 us
-- a row, as long as nothing in them may fail otherwise than by the "OR FAIL" of the statement (see
-- insert_job): DO UPDATE may, and so may every function.

-- A row that becomes ready may be its lane's best. It does not open the lane.
CREATE TRIGGER qml_lane_of_new AFTER INSERT ON qml_jobs
WHEN NEW.lane IS NOT NULL AND NEW.ready = 1
BEGIN
    INSERT INTO qml_lanes (lane, queue, permit, priority, seq)
    VALUES (NEW.lane, NEW.queue, NEW.permit, NEW.priority, NEW.seq) ON CONFLICT DO NOTHING;
    UPDATE qml_lanes SET priority = NEW.priority, seq = NEW.seq
    WHERE lane = NEW.lane AND (NEW.priority, -NEW.seq) > (priority, -seq);
END;
CREATE TRIGGER qml_lane_of_ready AFTER UPDATE OF ready, lane, priority ON qml_jobs
WHEN NEW.lane IS NOT NULL AND NEW.ready = 1
BEGIN
    INSERT INTO qml_lanes (lane, queue, permit, priority, seq)
    VALUES (NEW.lane, NEW.queue, NEW.permit, NEW.priority, NEW.seq) ON CONFLICT DO NOTHING;
    UPDATE qml_lanes SET priority = NEW.priority, seq = NEW.seq
    WHERE lane = NEW.lane AND (NEW.priority, -NEW.seq) > (priority, -seq);
END;

-- A claim that ends, or is to end sooner, may open the lanes of its permit.
CREATE TRIGGER qml_permit_freed AFTER UPDATE OF permit, locked_by, lease_until ON qml_jobs
WHEN OLD.permit IS NOT NULL AND OLD.lease_until IS NOT NULL AND OLD.locked_by IS NULL
    AND (NEW.lease_until IS NULL OR NEW.lease_until < OLD.lease_until
         OR NEW.locked_by IS NOT NULL OR NEW.permit IS NOT OLD.permit)
BEGIN
    UPDATE qml_lanes SET opens_at = NULL WHERE permit = OLD.permit AND opens_at IS NOT NULL;
END;
CREATE TRIGGER qml_permit_erased AFTER DELETE ON qml_jobs
WHEN OLD.permit IS NOT NULL AND OLD.lease_until IS NOT NULL
BEGIN
    UPDATE qml_lanes SET opens_at = NULL WHERE permit = OLD.permit AND opens_at IS NOT NULL;
END;

-- Rows are counted as they come, end, and go; a tally that is awaited is there. A row may count
-- twice for one that a job of the same id awaited before. What is no list is kept as a BLOB, which
-- is more than any text, and counts for nothing.
CREATE TRIGGER qml_tally_of_new AFTER INSERT ON qml_jobs
WHEN NEW.counts < x'' AND NEW.finished_at IS NULL
BEGIN
    INSERT INTO qml_tallies (name, unfinished, open, failed)
    SELECT value, 0, 1, 0 FROM json_each(NEW.counts) WHERE TRUE ON CONFLICT DO NOTHING;
    UPDATE qml_tallies SET
        unfinished = unfinished + (SELECT count(*) FROM json_each(NEW.counts) WHERE value = name)
    WHERE name IN (SELECT value FROM json_each(NEW.counts));
END;
CREATE TRIGGER qml_tally_awaited AFTER INSERT ON qml_jobs
WHEN NEW.awaits IS NOT NULL AND NEW.due_at IS NULL AND NEW.finished_at IS NULL
    AND NEW.state <> 'processing'
BEGIN
    INSERT INTO qml_tallies (name, unfinished, open, failed) VALUES (NEW.awaits, 0, 1, 0)
    ON CONFLICT DO NOTHING;
END;
CREATE TRIGGER qml_tally_of_end AFTER UPDATE OF finished_at ON qml_jobs
WHEN NEW.counts < x'' AND (OLD.finished_at IS NULL) <> (NEW.finished_at IS NULL)
BEGIN
    UPDATE qml_tallies SET (unfinished, failed) = (
        SELECT
            unfinished + iif(NEW.finished_at IS NULL, 1, -1) * count(*),
            failed + count(*)
                * iif(NEW.finished_at IS NULL, -(OLD.state <> 'succeeded'), NEW.state <> 'succeeded')
        FROM json_each(NEW.counts) WHERE value = name
    ) WHERE name IN (SELECT value FROM json_each(NEW.counts));
END;
CREATE TRIGGER qml_tally_of_erased AFTER DELETE ON qml_jobs
WHEN OLD.counts < x'' AND OLD.finished_at IS NULL AND json_valid(OLD.counts)
BEGIN
    UPDATE qml_tallies SET (unfinished, failed) = (
        SELECT unfinished - count(*), failed + count(*)
        FROM json_each(OLD.counts) WHERE value = name
    ) WHERE name IN (SELECT value FROM json_each(OLD.counts));
END;

-- Who waits for a tally is woken when it is over.
CREATE TRIGGER qml_tally_over AFTER UPDATE ON qml_tallies
WHEN NEW.unfinished <= 0 AND NEW.open = 0
BEGIN
    UPDATE qml_jobs SET
        version = version + 1, due_at = 0, ready = 1,
        expires_at = iif(NEW.failed <> 0 AND needs_all, 0, expires_at)
    WHERE awaits = NEW.name AND due_at IS NULL AND finished_at IS NULL AND state <> 'processing';
    DELETE FROM qml_tallies WHERE name = NEW.name;
END;
