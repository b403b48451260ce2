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
    lane text COLLATE "C",
    permit text COLLATE "C",
    batch text COLLATE "C",
    counts text COLLATE "C",
    awaits text COLLATE "C",
    needs_all smallint NOT NULL DEFAULT 0,
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
CREATE INDEX qml_jobs_ready_any ON {schema}.qml_jobs (priority DESC, seq)
    WHERE ready AND lane IS NULL;
CREATE INDEX qml_jobs_ready_in ON {schema}.qml_jobs (queue, priority DESC, seq)
    WHERE ready AND lane IS NULL;
CREATE INDEX qml_jobs_waiting ON {schema}.qml_jobs (due_at, seq)
    WHERE NOT ready AND due_at IS NOT NULL;
-- By themselves, since many of them may be kept back, which claims are not to walk past.
CREATE INDEX qml_jobs_in_lane ON {schema}.qml_jobs (lane, priority DESC, seq)
    WHERE ready AND lane IS NOT NULL;
CREATE INDEX qml_jobs_permit ON {schema}.qml_jobs (permit, lease_until)
    WHERE permit IS NOT NULL AND lease_until IS NOT NULL AND locked_by IS NULL;
CREATE INDEX qml_jobs_awaiting ON {schema}.qml_jobs (awaits)
    WHERE awaits IS NOT NULL AND due_at IS NULL AND finished_at IS NULL AND state <> 'processing';
CREATE INDEX qml_jobs_batch ON {schema}.qml_jobs (batch, state, seq) WHERE batch IS NOT NULL;
CREATE INDEX qml_jobs_running ON {schema}.qml_jobs (lease_until, seq) WHERE state = 'processing';
CREATE INDEX qml_jobs_finished ON {schema}.qml_jobs (state, finished_at, seq)
    WHERE finished_at IS NOT NULL AND purge_at IS NULL;
CREATE INDEX qml_jobs_overdue ON {schema}.qml_jobs (purge_at, seq) WHERE purge_at IS NOT NULL;
CREATE INDEX qml_jobs_expiring ON {schema}.qml_jobs (expires_at, seq)
    WHERE expires_at IS NOT NULL AND due_at IS NOT NULL;
-- What pages and counts are filtered by: of each such group the newest are beside each other.
CREATE INDEX qml_jobs_listing ON {schema}.qml_jobs (state, queue, method, seq);
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

-- Of each lane that has ready rows, where to look: a hint, see qml.seam.lanes. Written by who has the
-- lock of the lanes, and by nobody else: so nobody ever waits for one of these rows.
CREATE TABLE {schema}.qml_lanes (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    lane text COLLATE "C" NOT NULL UNIQUE,
    queue text COLLATE "C" NOT NULL,
    permit text COLLATE "C",
    pace text COLLATE "C",
    most bigint,                    -- how many of it may be claimed at once; NULL = any number
    rank bigint NOT NULL,           -- of its best ready row, if not better: its priority, negative
    seq bigint NOT NULL,            -- and its seq
    opens_at bigint NOT NULL        -- when it may be open; 0 = now
) WITH (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 500);
CREATE INDEX qml_lanes_open ON {schema}.qml_lanes (rank, seq, number) WHERE opens_at = 0;
CREATE INDEX qml_lanes_open_in ON {schema}.qml_lanes (queue, rank, seq, number) WHERE opens_at = 0;
CREATE INDEX qml_lanes_opening ON {schema}.qml_lanes (opens_at);
CREATE INDEX qml_lanes_closed ON {schema}.qml_lanes (permit) WHERE opens_at > 0;
-- The times of paces that are not over. Written by who has the lock of the lanes.
CREATE TABLE {schema}.qml_paces (
    pace text COLLATE "C" PRIMARY KEY,
    time bigint NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 500);
CREATE INDEX qml_paces_over ON {schema}.qml_paces (time);
-- What makes lanes better: that a row of a lane became ready, and that a claim under a permit has ended.
-- Nobody waits for one of these rows, however long the transaction goes on that it is added in: it is
-- only added, and taken away by the next claim that looks at lanes, which tells them. It cannot be
-- missed: it is seen by all from the moment that the change itself is.
CREATE TABLE {schema}.qml_news (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    lane text COLLATE "C" NOT NULL,
    rank bigint NOT NULL,
    seq bigint NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 500);
CREATE TABLE {schema}.qml_ends (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    permit text COLLATE "C" NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 500);
CREATE TABLE {schema}.qml_tallies (
    name text COLLATE "C" PRIMARY KEY,
    remaining bigint NOT NULL,
    open boolean NOT NULL,
    failed bigint NOT NULL
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 500);
-- What a transaction changes in tallies, until it commits: then it is added up and taken away.
CREATE TABLE {schema}.qml_ticks (
    transaction bigint NOT NULL DEFAULT txid_current(),
    name text COLLATE "C" NOT NULL,
    remaining bigint NOT NULL DEFAULT 0,
    failed bigint NOT NULL DEFAULT 0,
    makes boolean NOT NULL DEFAULT false,   -- makes the tally if it is not there
    opens boolean,                          -- NULL = as it is
    fails bigint                            -- how many have failed; NULL = as it is
) WITH (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 500);
CREATE INDEX qml_ticks_of ON {schema}.qml_ticks (transaction);

-- Of a lane its queue, permit, pace, and how many of it may be claimed at once; nothing of a damaged one.
CREATE FUNCTION {schema}.qml_parts(lane text) RETURNS text[] LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    parts json;
BEGIN
    parts := lane::json;
    RETURN ARRAY[
        parts ->> 0, parts ->> 1, parts ->> 3,
        trunc(least((parts ->> 2)::numeric, (parts ->> 5)::numeric, 1000000000))::text
    ];
EXCEPTION WHEN data_exception THEN
    RETURN '{}';
END $$;

-- The tallies that a row counts for; a damaged list names none. For rows that are met one by one: where
-- many are, a list that is damaged is known by the error.
CREATE FUNCTION {schema}.qml_names(counts text) RETURNS SETOF text LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    RETURN QUERY SELECT name FROM json_array_elements_text(counts::json) AS c (name)
        WHERE name IS NOT NULL;
EXCEPTION WHEN data_exception OR statement_too_complex THEN
    RETURN;
END $$;

-- The table itself notes what its rows do to lanes and tallies: whatever changes them, and as often as
-- a call is repeated, a change counts once. A statement that has to do with neither pays 10 us. The
-- functions go by the schema of their table, since an operator may rename it; what asks no table keeps
-- its plan.
CREATE FUNCTION {schema}.qml_came() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    names text[];
    numbers bigint[];
    places bigint[];
BEGIN
    IF NOT EXISTS (
        SELECT FROM came WHERE lane IS NOT NULL OR counts IS NOT NULL OR awaits IS NOT NULL
    ) THEN
        RETURN NULL;
    END IF;
    -- It would have no place in an index, and stop the claim that puts it there.
    IF EXISTS (SELECT FROM came WHERE octet_length(lane) > 2600) THEN
        RAISE program_limit_exceeded USING MESSAGE = 'a lane is too long';
    END IF;
    SELECT array_agg(lane), array_agg(rank), array_agg(seq) INTO names, places, numbers FROM (
        SELECT DISTINCT ON (lane) lane, -priority::bigint AS rank, seq
        FROM came WHERE ready AND lane IS NOT NULL ORDER BY lane, priority DESC, seq
    ) AS best;
    IF names IS NOT NULL THEN
        EXECUTE format('
            INSERT INTO %%I.qml_news (lane, rank, seq) SELECT * FROM unnest($1, $2, $3)',
            TG_TABLE_SCHEMA) USING names, places, numbers;
    END IF;
    BEGIN
        SELECT array_agg(name), array_agg(remaining) INTO names, numbers FROM (
            SELECT name, sum(one) AS remaining FROM (
                SELECT json_array_elements_text(counts::json) AS name, 1 AS one
                FROM came WHERE counts IS NOT NULL AND finished_at IS NULL
                UNION ALL
                SELECT awaits, 0 FROM came WHERE awaits IS NOT NULL AND due_at IS NULL
                    AND finished_at IS NULL AND state <> 'processing'
            ) AS tick WHERE name IS NOT NULL GROUP BY name
        ) AS ticks;
    EXCEPTION WHEN data_exception OR statement_too_complex THEN  -- a damaged list stops no others
        EXECUTE format('
            SELECT array_agg(name), array_agg(remaining) FROM (
                SELECT name, sum(one) AS remaining FROM (
                    SELECT %%I.qml_names(counts) AS name, 1 AS one
                    FROM came WHERE counts IS NOT NULL AND finished_at IS NULL
                    UNION ALL
                    SELECT awaits, 0 FROM came WHERE awaits IS NOT NULL AND due_at IS NULL
                        AND finished_at IS NULL AND state <> ''processing''
                ) AS tick WHERE name IS NOT NULL GROUP BY name
            ) AS ticks',
            TG_TABLE_SCHEMA) INTO names, numbers;
    END;
    IF names IS NOT NULL THEN
        EXECUTE format('
            INSERT INTO %%I.qml_ticks (name, remaining, makes)
            SELECT *, true FROM unnest($1, $2)', TG_TABLE_SCHEMA) USING names, numbers;
    END IF;
    RETURN NULL;
END $$;
CREATE FUNCTION {schema}.qml_changed() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    names text[];
    numbers bigint[];
    places bigint[];
BEGIN
    IF NOT EXISTS (
        SELECT FROM came WHERE lane IS NOT NULL OR counts IS NOT NULL
    ) AND NOT EXISTS (
        SELECT FROM gone WHERE permit IS NOT NULL
    ) THEN
        RETURN NULL;
    END IF;
    IF EXISTS (SELECT FROM came WHERE octet_length(lane) > 2600) THEN
        RAISE program_limit_exceeded USING MESSAGE = 'a lane is too long';
    END IF;
    SELECT array_agg(DISTINCT gone.permit) INTO names FROM gone JOIN came USING (seq)
    WHERE gone.permit IS NOT NULL AND gone.lease_until IS NOT NULL AND (
        came.lease_until IS NULL OR came.lease_until < gone.lease_until
        OR came.locked_by IS NOT NULL OR came.permit IS DISTINCT FROM gone.permit
    );
    IF names IS NOT NULL THEN
        EXECUTE format('
            INSERT INTO %%I.qml_ends (permit) SELECT unnest($1)', TG_TABLE_SCHEMA) USING names;
    END IF;
    SELECT array_agg(lane), array_agg(rank), array_agg(seq) INTO names, places, numbers FROM (
        SELECT DISTINCT ON (came.lane) came.lane, -came.priority::bigint AS rank, seq
        FROM came JOIN gone USING (seq)
        WHERE came.ready AND came.lane IS NOT NULL AND NOT (
            gone.ready AND gone.lane IS NOT DISTINCT FROM came.lane
            AND gone.priority >= came.priority
        )
        ORDER BY came.lane, came.priority DESC, seq
    ) AS best;
    IF names IS NOT NULL THEN
        EXECUTE format('
            INSERT INTO %%I.qml_news (lane, rank, seq) SELECT * FROM unnest($1, $2, $3)',
            TG_TABLE_SCHEMA) USING names, places, numbers;
    END IF;
    BEGIN
        SELECT array_agg(name), array_agg(remaining), array_agg(failed) INTO names, numbers, places
        FROM (
            SELECT name, sum(one) AS remaining, sum(one_failed) AS failed FROM (
                SELECT
                    json_array_elements_text(gone.counts::json) AS name,
                    CASE WHEN came.finished_at IS NULL THEN 1 ELSE -1 END AS one,
                    CASE WHEN came.finished_at IS NULL
                        THEN -(gone.state <> 'succeeded')::int ELSE (came.state <> 'succeeded')::int
                    END AS one_failed
                FROM gone JOIN came USING (seq)
                WHERE gone.counts IS NOT NULL
                    AND (gone.finished_at IS NULL) <> (came.finished_at IS NULL)
            ) AS tick WHERE name IS NOT NULL GROUP BY name
        ) AS ticks;
    EXCEPTION WHEN data_exception OR statement_too_complex THEN  -- a damaged list stops no others
        EXECUTE format('
            SELECT array_agg(name), array_agg(remaining), array_agg(failed)
            FROM (
                SELECT name, sum(one) AS remaining, sum(one_failed) AS failed FROM (
                    SELECT
                        %%I.qml_names(gone.counts) AS name,
                        CASE WHEN came.finished_at IS NULL THEN 1 ELSE -1 END AS one,
                        CASE WHEN came.finished_at IS NULL
                            THEN -(gone.state <> ''succeeded'')::int ELSE (came.state <> ''succeeded'')::int
                        END AS one_failed
                    FROM gone JOIN came USING (seq)
                    WHERE gone.counts IS NOT NULL
                        AND (gone.finished_at IS NULL) <> (came.finished_at IS NULL)
                ) AS tick WHERE name IS NOT NULL GROUP BY name
            ) AS ticks',
            TG_TABLE_SCHEMA) INTO names, numbers, places;
    END;
    IF names IS NOT NULL THEN
        EXECUTE format('
            INSERT INTO %%I.qml_ticks (name, remaining, failed)
            SELECT * FROM unnest($1, $2, $3)', TG_TABLE_SCHEMA) USING names, numbers, places;
    END IF;
    RETURN NULL;
END $$;
CREATE FUNCTION {schema}.qml_gone() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    names text[];
    numbers bigint[];
BEGIN
    IF NOT EXISTS (SELECT FROM gone WHERE permit IS NOT NULL OR counts IS NOT NULL) THEN
        RETURN NULL;
    END IF;
    SELECT array_agg(DISTINCT permit) INTO names FROM gone
    WHERE permit IS NOT NULL AND lease_until IS NOT NULL;
    IF names IS NOT NULL THEN
        EXECUTE format('
            INSERT INTO %%I.qml_ends (permit) SELECT unnest($1)', TG_TABLE_SCHEMA) USING names;
    END IF;
    BEGIN
        SELECT array_agg(name), array_agg(members) INTO names, numbers FROM (
            SELECT name, count(*) AS members FROM (
                SELECT json_array_elements_text(counts::json) AS name
                FROM gone WHERE counts IS NOT NULL AND finished_at IS NULL
            ) AS tick WHERE name IS NOT NULL GROUP BY name
        ) AS ticks;
    EXCEPTION WHEN data_exception OR statement_too_complex THEN  -- a damaged list stops no others
        EXECUTE format('
            SELECT array_agg(name), array_agg(members) FROM (
                SELECT name, count(*) AS members FROM (
                    SELECT %%I.qml_names(counts) AS name
                    FROM gone WHERE counts IS NOT NULL AND finished_at IS NULL
                ) AS tick WHERE name IS NOT NULL GROUP BY name
            ) AS ticks',
            TG_TABLE_SCHEMA) INTO names, numbers;
    END;
    IF names IS NOT NULL THEN
        EXECUTE format('
            INSERT INTO %%I.qml_ticks (name, remaining, failed)
            SELECT name, -members, members FROM unnest($1, $2) AS tick (name, members)',
            TG_TABLE_SCHEMA) USING names, numbers;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER qml_came AFTER INSERT ON {schema}.qml_jobs
    REFERENCING NEW TABLE AS came FOR EACH STATEMENT EXECUTE FUNCTION {schema}.qml_came();
CREATE TRIGGER qml_changed AFTER UPDATE ON {schema}.qml_jobs
    REFERENCING OLD TABLE AS gone NEW TABLE AS came
    FOR EACH STATEMENT EXECUTE FUNCTION {schema}.qml_changed();
CREATE TRIGGER qml_gone AFTER DELETE ON {schema}.qml_jobs
    REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION {schema}.qml_gone();

-- At the commit, which makes all of it last: so a caller's transaction that goes on for long keeps nobody
-- from ending jobs of the same tally. By name, so that no two wait for each other. A tally that is
-- over wakes who waits for it: each statement here sees what was committed before it began, and who
-- comes to wait has to pass by the same row.
CREATE FUNCTION {schema}.qml_count() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    tick record;
    tally record;
    counted integer;
BEGIN
    FOR tick IN EXECUTE format('
        WITH mine AS (
            DELETE FROM %%I.qml_ticks WHERE transaction = txid_current() RETURNING *
        )
        SELECT
            name, sum(remaining)::bigint AS remaining, sum(failed)::bigint AS failed,
            bool_or(makes) AS makes, bool_or(opens) AS opens, max(fails) AS fails
        FROM mine GROUP BY name ORDER BY name', TG_TABLE_SCHEMA)
    LOOP
        LOOP
            EXECUTE format('
                UPDATE %%I.qml_tallies SET remaining = remaining + $2,
                    failed = coalesce($5, failed + $3), open = coalesce($4, open)
                WHERE name = $1 RETURNING remaining, open, failed', TG_TABLE_SCHEMA)
                INTO tally USING tick.name, tick.remaining, tick.failed, tick.opens, tick.fails;
            GET DIAGNOSTICS counted = ROW_COUNT;
            EXIT WHEN counted > 0 OR NOT tick.makes;
            EXECUTE format('
                INSERT INTO %%I.qml_tallies VALUES ($1, 0, true, 0) ON CONFLICT DO NOTHING',
                TG_TABLE_SCHEMA) USING tick.name;
        END LOOP;
        CONTINUE WHEN counted = 0 OR tally.open OR tally.remaining > 0;
        EXECUTE format('DELETE FROM %%I.qml_tallies WHERE name = $1', TG_TABLE_SCHEMA)
            USING tick.name;
        EXECUTE format('
            UPDATE %%1$I.qml_jobs AS j SET
                due_at = 0, ready = true, version = j.version + 1,
                expires_at = CASE WHEN $2 > 0 AND j.needs_all <> 0 THEN 0 ELSE j.expires_at END
            FROM (
                SELECT seq FROM %%1$I.qml_jobs
                WHERE awaits = $1 AND due_at IS NULL AND finished_at IS NULL
                    AND state <> ''processing''
                ORDER BY id FOR UPDATE
            ) AS waiting WHERE j.seq = waiting.seq', TG_TABLE_SCHEMA)
            USING tick.name, tally.failed;
    END LOOP;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER qml_count AFTER INSERT ON {schema}.qml_ticks
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION {schema}.qml_count();
