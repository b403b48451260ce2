-- Every statement of the PostgreSQL driver, by name. "%(name)s" is a parameter, "{schema}" the quoted
-- name of the schema. Several rows come as one array per column, so a batch is one statement.
-- A name's comment says what the statement is for; an odd form has its reason beside it.

-- name: columns
-- Not a statement: what "{columns}" stands for, in the order of qml.seam.rows.Row.
j.seq, j.id, j.version, j.state, j.queue, j.priority, j.method, j.attempt, j.fence,
j.max_attempts, j.ahead, j.worker, j.locked_by, j.lease_until, j.due_at, j.finished_at,
j.purge_at, j.expires_at, j.created_at, j.key_held, j.unique_key, j.unique_while,
j.max_retries, j.timeout_seconds, j.job_type, j.lane, j.permit, j.batch, j.counts, j.awaits,
j.needs_all, j.detail, j.failures, j.metadata, j.payload, j.notes

-- name: free
-- Not a statement: what "{free}" stands for: held by nobody.
(j.lease_until IS NULL OR j.lease_until <= %(now)s)

-- name: claimable
-- Not a statement: what "{claimable}" stands for: ready, due, and held by nobody but the worker.
-- due_at is asked again, for the case that the store's clock was set back a little.
{plain} AND {held_by_no_other}

-- name: plain
-- Not a statement: what "{plain}" stands for: ready, and under no limit.
j.ready AND j.lane IS NULL

-- name: held_by_no_other
-- Not a statement: what "{held_by_no_other}" stands for.
j.due_at <= %(now)s AND ({free} OR coalesce(j.locked_by, j.worker) = %(worker)s)

-- name: locked
-- Not a statement: what "{locked}" stands for: the rows with these ids, as they are now and stay.
-- In the order of ids: two who lock the same rows in different order would wait for each other.
SELECT seq, id, version, state, fence, worker, locked_by, lease_until, key_held, unique_key, stamp,
    permit, lane
FROM {schema}.qml_jobs WHERE id = ANY (%(id)s::text[]) ORDER BY id FOR UPDATE

-- name: anything_of_all
-- Not a statement: what "{anything}" stands for in a claim of every queue: a row that it could take,
-- were it not in another's hands just now. Not for EXISTS, which drops ORDER BY, and scans the table
-- when the statistics are old.
SELECT j.seq FROM {schema}.qml_jobs AS j WHERE {claimable} ORDER BY j.priority DESC, j.seq LIMIT 1

-- name: anything_of_queues
-- Not a statement: what "{anything}" stands for in a claim of some queues.
SELECT head.seq FROM unnest(%(queues)s::text[]) AS wanted (queue), LATERAL (
    SELECT j.seq FROM {schema}.qml_jobs AS j WHERE j.queue = wanted.queue AND {claimable}
    ORDER BY j.priority DESC, j.seq LIMIT 1
) AS head LIMIT 1

-- name: best_of_all
-- Not a statement: what "{best}" stands for in a claim of every queue: the best rows that nobody
-- else is taking just now.
SELECT j.seq FROM {schema}.qml_jobs AS j WHERE {claimable} AND {goes_ahead}
ORDER BY j.priority DESC, j.seq LIMIT %(most)s FOR UPDATE SKIP LOCKED

-- name: still
-- Not a statement: what "{still}" stands for: "claimable", in words that keep the server from walking
-- along an index of such rows, where it is given their seqs.
j.ready AND num_nulls(j.lane) = 1 AND {held_by_no_other}

-- name: best_of_queues
-- Not a statement: what "{best}" stands for in a claim of some queues: of the best of each, looked at
-- in its index, the best of all, one by one in their order. Only what is taken is locked, since another
-- claim finds nothing where all is; the hundred more are for what others hold at the moment.
SELECT j.seq FROM (
    SELECT head.priority, head.seq FROM unnest(%(queues)s::text[]) AS wanted (queue), LATERAL (
        SELECT j.seq, j.priority FROM {schema}.qml_jobs AS j
        WHERE j.queue = wanted.queue AND {claimable}
        ORDER BY j.priority DESC, j.seq LIMIT %(most)s::bigint + 100
    ) AS head
    WHERE {goes_ahead} ORDER BY head.priority DESC, head.seq
) AS head, LATERAL (
    SELECT j.seq FROM {schema}.qml_jobs AS j WHERE j.seq = head.seq AND {still}
    FOR UPDATE SKIP LOCKED
) AS j LIMIT %(most)s

-- name: limits
-- Before every statement, in its transaction: the server gives up when nobody waits any more.
SET LOCAL statement_timeout = %(timeout)s;

-- name: unflushed
-- Commits without waiting for the disk, where a crash of the server may take back what was done.
SET LOCAL synchronous_commit = off;

-- name: prepare
-- Has a session plan a statement.
PREPARE {plan} AS {numbered};

-- name: execute
-- Carries out what the session has planned. For any parameters, and for a table of any size, since it was
-- perhaps empty then. So it is "seq = ANY (ARRAY[x.seq])" there, and not "seq = x.seq", which might walk
-- along the whole index, to join all at once. What it costs cannot be foretold: no compiler.
SET LOCAL plan_cache_mode = force_generic_plan;
SET LOCAL enable_seqscan = off;
SET LOCAL enable_bitmapscan = off;
SET LOCAL jit = off;
EXECUTE {plan} ({given})

-- name: execute_blindly
-- The same of what has nothing to find.
EXECUTE {plan} ({given})

-- name: row
-- Not a statement: what "{row}" stands for: what the driver is given of a row.
{own}, {shared}

-- name: row_arrays
-- Not a statement: what "{row_arrays}" stands for: the same of many rows.
{own_arrays}, {shared_arrays}

-- name: own
-- Not a statement: what "{own}" stands for: what each of many rows has for itself.
id, created_at, unique_key, detail, payload

-- name: own_arrays
-- Not a statement: what "{own_arrays}" stands for.
%(id)s::text[], %(created_at)s::bigint[], %(unique_key)s::text[], %(detail)s::text[],
%(payload)s::text[]

-- name: shared
-- Not a statement: what "{shared}" stands for: what many of many rows have in common.
version, state, queue, priority, method, attempt, fence, max_attempts, ahead, worker, locked_by,
lease_until, due_at, finished_at, purge_at, expires_at, key_held, unique_while, max_retries,
timeout_seconds, job_type, lane, permit, batch, counts, awaits, needs_all, failures, metadata,
notes

-- name: shared_arrays
-- Not a statement: what "{shared_arrays}" stands for.
%(version)s::bigint[], %(state)s::text[], %(queue)s::text[], %(priority)s::int[],
%(method)s::text[], %(attempt)s::bigint[], %(fence)s::bigint[], %(max_attempts)s::bigint[],
%(ahead)s::smallint[], %(worker)s::text[], %(locked_by)s::text[], %(lease_until)s::bigint[],
%(due_at)s::bigint[], %(finished_at)s::bigint[], %(purge_at)s::bigint[], %(expires_at)s::bigint[],
%(key_held)s::smallint[], %(unique_while)s::text[], %(max_retries)s::bigint[],
%(timeout_seconds)s::float8[], %(job_type)s::text[], %(lane)s::text[], %(permit)s::text[],
%(batch)s::text[], %(counts)s::text[], %(awaits)s::text[], %(needs_all)s::smallint[],
%(failures)s::text[], %(metadata)s::text[], %(notes)s::text[]

-- name: new_and_taken
-- Not a statement: what "{new_and_taken}" stands for: rows to store, each of a kind, and those in their way.
new AS MATERIALIZED (
    SELECT {row}, place
    FROM unnest({own_arrays}, %(kind)s::int[]) WITH ORDINALITY AS n ({own}, kind, place)
    JOIN unnest({shared_arrays}) WITH ORDINALITY AS k ({shared}, kind) USING (kind)
), taken AS MATERIALIZED (
    SELECT id, unique_key, key_held FROM {schema}.qml_jobs WHERE id = ANY (%(id)s::text[])
    UNION ALL
    SELECT id, unique_key, key_held FROM {schema}.qml_jobs
    WHERE unique_key = ANY (%(keys)s::text[]) AND key_held > 0
)

-- name: way_is_free
-- Not a statement: what "{way_is_free}" stands for.
%(fits)s AND NOT EXISTS (SELECT FROM taken)

-- name: stored
-- Not a statement: what "{stored}" stands for.
stored AS (
    INSERT INTO {schema}.qml_jobs ({row}, ready, stamp)
    SELECT {row}, coalesce(due_at = 0, false), %(stamp)s FROM new WHERE {way_is_free} ORDER BY place
    RETURNING seq
)

-- name: insert
-- All rows or none. What stands in the way is looked for first, so that a refusal is an answer
-- and no error in the server's log.
WITH {new_and_taken}, {stored}
SELECT seq, NULL, NULL FROM stored
UNION ALL
SELECT NULL, id, CASE WHEN key_held > 0 THEN unique_key END FROM taken

-- name: insert_mixed
-- "insert" that does not tell what stands in the way.
WITH {new_and_taken}, {stored} SELECT seq FROM stored ORDER BY seq

-- name: insert_alike
-- "insert" of rows that have all but their ids and payloads in common, and no key: half of its work. No
-- row comes back when something stands in the way; "insert" tells what.
{insert_alike_and} seq

-- name: insert_alike_and
-- Not a statement: what "{insert_alike_and}" stands for. The rows come out of "unnest" in their order,
-- and nothing here brings them out of it.
INSERT INTO {schema}.qml_jobs ({row}, ready, stamp)
SELECT n.id, %(created_at)s, %(unique_key)s, %(detail)s, n.payload, {shared_values}
FROM (
    SELECT
        unnest(string_to_array(%(ids)s, E'\n')) AS id,
        unnest(string_to_array(%(payloads)s, E'\n')) AS payload
) AS n WHERE {ids_are_free}
RETURNING

-- name: ids_are_free
-- Not a statement: what "{ids_are_free}" stands for. One look tells, as long as there is no id between
-- the lowest and the highest: new ones are above all others. Not by EXISTS, for which the server may
-- scan the table.
(
    SELECT count(*) FROM {schema}.qml_jobs
    WHERE id = ANY (string_to_array(%(ids)s, E'\n')) AND (
        SELECT id FROM {schema}.qml_jobs WHERE id >= %(low)s AND id <= %(high)s ORDER BY id LIMIT 1
    ) IS NOT NULL
) = 0

-- name: insert_with_record
-- "insert" beside a record: both or neither. The record comes first: who writes the same one at the
-- same time waits for it, finds another version, and stores nothing. Its version as it was seen tells
-- whether it is the record or the rows that stand in the way.
WITH {new_and_taken}, created AS (
    INSERT INTO {schema}.qml_records (name, version, body, stamp)
    SELECT %(name)s, 1, %(body)s, %(stamp)s WHERE %(expected)s = 0 AND {way_is_free}
    ON CONFLICT (name) DO NOTHING RETURNING 1
), changed AS (
    UPDATE {schema}.qml_records SET version = %(expected)s + 1, body = %(body)s, stamp = %(stamp)s
    WHERE name = %(name)s AND version = %(expected)s AND {way_is_free}
    RETURNING 1
), stored AS (
    INSERT INTO {schema}.qml_jobs ({row}, ready, stamp)
    SELECT {row}, coalesce(due_at = 0, false), %(stamp)s FROM new
    WHERE EXISTS (SELECT FROM created) OR EXISTS (SELECT FROM changed) ORDER BY place
    RETURNING seq
)
SELECT
    EXISTS (SELECT FROM created) OR EXISTS (SELECT FROM changed),
    coalesce((SELECT version FROM {schema}.qml_records WHERE name = %(name)s), 0),
    found.*
FROM (VALUES (1)) AS one LEFT JOIN (
    SELECT seq, NULL, NULL FROM stored
    UNION ALL
    SELECT NULL, id, CASE WHEN key_held > 0 THEN unique_key END FROM taken
) AS found ON true

-- name: insert_one
-- One row, the usual case, costs a fourth of "insert" (80 against 320 us). No row comes back when
-- something stands in the way; "insert" tells what.
{insert_one_and} seq

-- name: insert_one_and
-- Not a statement: what "{insert_one_and}" stands for.
INSERT INTO {schema}.qml_jobs ({row}, ready, stamp)
VALUES (
    %(id)s, %(created_at)s, %(unique_key)s, %(detail)s, %(payload)s, {shared_values}
)
ON CONFLICT DO NOTHING RETURNING

-- name: shared_values
-- Not a statement: what "{shared_values}" stands for: of one row, or of rows of one kind.
%(version)s, %(state)s, %(queue)s, %(priority)s, %(method)s, %(attempt)s, %(fence)s,
%(max_attempts)s, %(ahead)s, %(worker)s, %(locked_by)s, %(lease_until)s, %(due_at)s,
%(finished_at)s, %(purge_at)s, %(expires_at)s, %(key_held)s, %(unique_while)s, %(max_retries)s,
%(timeout_seconds)s, %(job_type)s, %(lane)s, %(permit)s, %(batch)s, %(counts)s, %(awaits)s,
%(needs_all)s, %(failures)s, %(metadata)s, %(notes)s, coalesce(%(due_at)s::bigint = 0, false),
%(stamp)s

-- name: insert_one_kept
-- "insert_one" between "keep" and "hint": the answer to a text is that of its last statement, so the seq
-- is kept in a setting until then.
{insert_one_and} set_config('qml.seq', seq::text, false)

-- name: insert_alike_kept
-- The same with "insert_alike".
WITH stored AS ({insert_alike_and} seq)
SELECT set_config('qml.seq', coalesce(string_agg(seq::text, ','), ''), false) FROM stored

-- name: insert_mixed_kept
-- And with "insert_mixed".
WITH {new_and_taken}, {stored}
SELECT set_config('qml.seq', coalesce(string_agg(seq::text, ',' ORDER BY seq), ''), false) FROM stored

-- name: keep
SET qml.seq = '';

-- name: hint
-- When what was before it in the text is committed. Not with it: commits that hint take turns, each
-- until it is on the disk.
;
COMMIT;
{unflushed}
NOTIFY {channel};
SHOW qml.seq

-- name: stored_before
-- What an insert whose reply was lost may have stored.
SELECT j.id, j.seq, j.stamp, j.created_at, j.method, j.payload FROM {schema}.qml_jobs AS j
WHERE j.id = ANY (%(id)s::text[])

-- name: written_before
-- The record of an insert whose reply was lost.
SELECT version, stamp FROM {schema}.qml_records WHERE name = %(name)s

-- name: load
SELECT {columns} FROM {schema}.qml_jobs AS j WHERE j.id = ANY (%(ids)s::text[])

-- name: holder_of_key
SELECT id FROM {schema}.qml_jobs WHERE unique_key = %(unique_key)s AND key_held > 0

-- name: moving
-- Not a statement: what "{moving}" stands for: changes of state, each for itself. A row that carries
-- the stamp was changed by this very call, whose reply was lost. "turn" = a change takes a key, which
-- another of the batch may free: then nothing is done, since only one by one they come in the order
-- given.
change AS MATERIALIZED (
    SELECT * FROM unnest(
        %(id)s::text[], %(seq)s::bigint[], %(version)s::bigint[], %(lapsed_by)s::bigint[],
        %(state)s::text[], %(detail)s::text[], %(failures)s::text[], %(attempt)s::bigint[],
        %(max_attempts)s::bigint[], %(ahead)s::smallint[], %(due_at)s::bigint[],
        %(finished_at)s::bigint[], %(purge_at)s::bigint[], %(key_held)s::smallint[],
        %(ends_lease)s::boolean[]
    ) WITH ORDINALITY AS c (
        id, seq, version, lapsed_by, state, detail, failures, attempt, max_attempts, ahead,
        due_at, finished_at, purge_at, key_held, ends_lease, place
    )
), locked AS MATERIALIZED (
    {locked}
), guarded AS MATERIALIZED (
    SELECT
        c.*, l.seq AS found, l.stamp = %(stamp)s AS carried_out,
        l.version = c.version AND l.seq = coalesce(c.seq, l.seq)
            AND (c.lapsed_by IS NULL OR coalesce(l.lease_until <= c.lapsed_by, false)) AS holds,
        c.key_held > 0 AND l.key_held = 0 AND l.unique_key IS NOT NULL AS takes
    FROM change AS c LEFT JOIN locked AS l ON l.id = c.id
), moved AS (
    UPDATE {schema}.qml_jobs AS j SET
        version = j.version + 1, state = g.state, detail = g.detail, failures = g.failures,
        attempt = g.attempt, max_attempts = g.max_attempts, ahead = g.ahead, due_at = g.due_at,
        ready = CASE
            WHEN j.due_at IS NOT DISTINCT FROM g.due_at THEN j.ready
            ELSE coalesce(g.due_at = 0, false)
        END,
        finished_at = g.finished_at, purge_at = g.purge_at,
        key_held = coalesce(g.key_held, j.key_held),
        locked_by = CASE WHEN NOT g.ends_lease THEN j.locked_by END,
        lease_until = CASE WHEN NOT g.ends_lease THEN j.lease_until END,
        stamp = %(stamp)s
    FROM guarded AS g
    WHERE j.seq = ANY (ARRAY[g.found]) AND g.holds AND {in_any_order}
)

-- name: move
WITH {moving}
SELECT {verdict} FROM guarded AS g ORDER BY g.place

-- name: move_then
-- "move", and the rows that follow on what is done, as one JSON text for each change: few have any.
-- By itself, since to plan the insertion takes 40 us, a tenth of a move. Two batches with the same row
-- to insert do not wait for each other in a ring: it follows on one job, which is locked by then.
WITH {moving}, followed AS (
    INSERT INTO {schema}.qml_jobs ({row}, ready, stamp)
    SELECT {row}, coalesce(due_at = 0, false), %(stamp)s
    FROM (
        SELECT n.*, g.place FROM guarded AS g, json_populate_recordset(
            NULL::{schema}.qml_jobs, (%(then)s::json[])[g.place::int]
        ) WITH ORDINALITY AS n
        WHERE g.holds AND {in_any_order}
    ) AS new ORDER BY place, ordinality
    ON CONFLICT DO NOTHING
)
SELECT {verdict} FROM guarded AS g ORDER BY g.place

-- name: in_any_order
-- Not a statement: what "{in_any_order}" stands for.
(%(alone)s OR NOT EXISTS (SELECT FROM guarded WHERE holds AND takes))

-- name: verdict
-- Not a statement: what "{verdict}" stands for.
CASE
    WHEN g.found IS NULL THEN 'gone'
    WHEN g.carried_out THEN 'done'
    WHEN NOT g.holds THEN 'stale'
    WHEN {in_any_order} THEN 'done'
    ELSE 'turn'
END

-- name: rewrite
-- "move" for whole records. The notes stay: they are what the runs say.
WITH change AS MATERIALIZED (
    SELECT * FROM unnest(
        {row_arrays}, %(seq)s::bigint[], %(expected)s::bigint[], %(keeps_lease)s::boolean[]
    ) WITH ORDINALITY AS c ({row}, seq, expected, keeps_lease, place)
), locked AS MATERIALIZED (
    {locked}
), guarded AS MATERIALIZED (
    SELECT
        c.*, l.seq AS found, l.stamp = %(stamp)s AS carried_out,
        l.version = c.expected AND l.seq = coalesce(c.seq, l.seq) AS holds,
        c.key_held > 0 AND c.unique_key IS NOT NULL
            AND (l.key_held = 0 OR l.unique_key IS DISTINCT FROM c.unique_key) AS takes
    FROM change AS c LEFT JOIN locked AS l ON l.id = c.id
), rewritten AS (
    UPDATE {schema}.qml_jobs AS j SET
        version = g.version, state = g.state, queue = g.queue, priority = g.priority,
        method = g.method, attempt = g.attempt, fence = g.fence, max_attempts = g.max_attempts,
        ahead = g.ahead,
        worker = CASE WHEN g.keeps_lease THEN j.worker ELSE g.worker END,
        locked_by = CASE WHEN g.keeps_lease THEN j.locked_by ELSE g.locked_by END,
        lease_until = CASE WHEN g.keeps_lease THEN j.lease_until ELSE g.lease_until END,
        due_at = g.due_at,
        ready = CASE
            WHEN j.due_at IS NOT DISTINCT FROM g.due_at THEN j.ready
            ELSE coalesce(g.due_at = 0, false)
        END,
        finished_at = g.finished_at, purge_at = g.purge_at, expires_at = g.expires_at,
        created_at = g.created_at, key_held = g.key_held, unique_key = g.unique_key,
        unique_while = g.unique_while, max_retries = g.max_retries,
        timeout_seconds = g.timeout_seconds, job_type = g.job_type, lane = g.lane,
        permit = g.permit, detail = g.detail,
        failures = g.failures, metadata = g.metadata, payload = coalesce(g.payload, j.payload),
        stamp = %(stamp)s
    FROM guarded AS g
    WHERE j.seq = g.found AND g.holds AND {in_any_order}
)
SELECT {verdict} FROM guarded AS g ORDER BY g.place

-- name: next_waiting
-- Not a statement: what "{next_waiting}" stands for: when the next row falls due that is not in the
-- ready index yet. ORDER BY and LIMIT keep to the index, whatever the statistics say.
SELECT due_at FROM {schema}.qml_jobs WHERE NOT ready AND due_at IS NOT NULL ORDER BY due_at LIMIT 1

-- name: next_due_of_all
-- Not a statement: what "{next_due}" stands for: when the next row of all falls due.
({next_waiting})

-- name: ripen
-- Move rows that have newly fallen due to the ready index, if there are any. One claim at a time
-- does; another goes on with what is ready, and waits for it only if it would find nothing.
UPDATE {schema}.qml_jobs SET ready = true WHERE seq = ANY (ARRAY(
    SELECT seq FROM {schema}.qml_jobs
    WHERE NOT ready AND due_at IS NOT NULL AND due_at <= %(now)s AND (
        SELECT CASE
            WHEN NOT coalesce(({next_waiting}) <= %(now)s, false) THEN false
            WHEN pg_try_advisory_xact_lock(%(space)s, %(lock)s) THEN true
            WHEN ({anything}) IS NOT NULL THEN false
            ELSE pg_advisory_xact_lock(%(space)s, %(lock)s) IS NOT NULL
        END
    )
    ORDER BY due_at, seq LIMIT 1000 FOR UPDATE SKIP LOCKED
));

-- name: goes_ahead
-- Not a statement: what "{goes_ahead}" stands for: a claim that has not looked at what falls due and at
-- limits takes nothing where there is any.
(
    SELECT (%(careful)s OR NOT limited) AND (%(ripened)s OR coalesce(next_due > %(now)s, true))
    FROM kept
)

-- name: claim
-- By itself, since "ripen" before it costs as much again, 250 us. The answer tells when the next row falls
-- due, whether there are limits, and whether nothing was taken though there is something.
WITH kept AS MATERIALIZED (
    SELECT {next_due} AS next_due, {limited} AS limited
), taken AS (
    UPDATE {schema}.qml_jobs AS j SET
        state = 'processing', version = j.version + 1, attempt = j.attempt + 1,
        fence = j.fence + 1, ahead = CASE WHEN best.rank > %(limit)s THEN 1 ELSE j.ahead END,
        worker = %(worker)s, locked_by = NULL, lease_until = %(lease_until)s, due_at = NULL,
        ready = false, key_held = CASE j.key_held WHEN 1 THEN 0 ELSE j.key_held END,
        detail = %(detail)s, stamp = %(stamp)s
    FROM unnest(ARRAY({best})) WITH ORDINALITY AS best (seq, rank)
    WHERE j.seq = ANY (ARRAY[best.seq]) AND (best.rank <= %(limit)s OR j.ahead <> 2)
    RETURNING {columns}
)
SELECT
    kept.next_due, kept.limited,
    j.seq IS NULL AND ({anything}) IS NOT NULL,
    j.*
FROM kept LEFT JOIN taken AS j ON true
ORDER BY j.priority DESC, j.seq

-- name: claimed_before
-- The rows of a claim whose reply was lost.
SELECT {next_due}, false, false, {columns} FROM {schema}.qml_jobs AS j
WHERE j.state = 'processing' AND j.stamp = %(stamp)s AND j.worker = %(worker)s
ORDER BY j.priority DESC, j.seq

-- name: hold
-- Renewals (with a fence) and locks, each for itself. Over a lapsed claim a lock makes the old hand
-- stale. What is carried out a second time changes nothing more, so it needs no stamp. "asks" = a lapsed
-- claim would live again that needs a permit: nothing is done, unless the permit was seen to.
WITH wanted AS MATERIALIZED (
    SELECT * FROM unnest(
        %(id)s::text[], %(seq)s::bigint[], %(worker)s::text[], %(fence)s::bigint[],
        %(now)s::bigint[], %(until)s::bigint[], %(notes)s::text[]
    ) WITH ORDINALITY AS w (id, seq, worker, fence, now, until, notes, place)
), locked AS MATERIALIZED (
    {locked}
), guarded AS MATERIALIZED (
    SELECT
        w.*, l.seq AS found,
        l.seq = coalesce(w.seq, l.seq) AND CASE
            WHEN w.fence IS NULL
            THEN l.lease_until IS NULL OR l.lease_until <= w.now
                OR coalesce(coalesce(l.locked_by, l.worker) = w.worker, false)
            ELSE coalesce(l.worker = w.worker, false) AND l.fence = w.fence
                AND l.lease_until IS NOT NULL AND l.locked_by IS NULL
        END AS holds,
        w.fence IS NULL AND coalesce(l.lease_until > w.now, false) AS extends,
        w.fence IS NULL AND l.state = 'processing' AND coalesce(l.lease_until <= w.now, false)
            AS takes_over,
        l.permit IS NOT NULL AND l.lane IS NOT NULL AND coalesce(l.lease_until <= w.now, false)
            AND (w.fence IS NOT NULL OR l.state = 'processing')
            AND NOT %(permitted)s AS asks,
        l.permit, l.lane
    FROM wanted AS w LEFT JOIN locked AS l ON l.id = w.id
), held AS (
    UPDATE {schema}.qml_jobs AS j SET
        lease_until = g.until,
        fence = j.fence + g.takes_over::int, version = j.version + g.takes_over::int,
        worker = CASE WHEN g.takes_over THEN g.worker ELSE j.worker END,
        locked_by = CASE
            WHEN g.fence IS NOT NULL OR g.extends THEN j.locked_by
            WHEN NOT g.takes_over THEN g.worker
        END,
        -- As they are, they are not written again where the server keeps them apart.
        notes = coalesce(
            CASE WHEN g.fence IS NOT NULL AND j.state = 'processing' THEN g.notes END, j.notes
        )
    FROM guarded AS g
    WHERE j.seq = ANY (ARRAY[g.found]) AND g.holds AND NOT g.asks
)
SELECT
    CASE
        WHEN found IS NULL THEN 'gone' WHEN NOT holds THEN 'stale' WHEN asks THEN 'asks' ELSE 'done'
    END,
    permit, lane
FROM guarded ORDER BY place

-- name: let_go
WITH locked AS MATERIALIZED (
    SELECT * FROM {schema}.qml_jobs WHERE id = %(id)s FOR UPDATE
), freed AS (
    UPDATE {schema}.qml_jobs AS j SET
        lease_until = CASE WHEN j.state = 'processing' THEN %(now)s END,
        locked_by = CASE WHEN j.state = 'processing' THEN j.locked_by END,
        stamp = %(stamp)s
    FROM locked AS l
    WHERE j.seq = l.seq AND coalesce(l.locked_by, l.worker) = %(worker)s AND l.lease_until > %(now)s
        AND (%(seq)s::bigint IS NULL
            OR l.seq = %(seq)s AND l.fence = %(fence)s AND l.locked_by IS NULL)
    RETURNING j.seq
)
SELECT EXISTS (SELECT FROM freed) OR l.stamp = %(stamp)s FROM locked AS l

-- name: page
-- The seqs come from an index alone, the records only for the page.
SELECT {columns} FROM {schema}.qml_jobs AS j WHERE j.seq = ANY (ARRAY(
    SELECT seq FROM {schema}.qml_jobs AS p WHERE %(below)s::bigint IS NULL OR p.seq < %(below)s
    ORDER BY seq DESC LIMIT %(limit)s OFFSET %(offset)s
)) ORDER BY j.seq DESC

-- name: filters
-- Not a statement: what "{filters}" stands for.
{other_filters} AND (%(batch)s::text IS NULL OR p.batch = %(batch)s)

-- name: other_filters
-- Not a statement: what "{other_filters}" stands for: all but the batch.
(%(queue)s::text IS NULL OR p.queue = %(queue)s)
AND (%(method)s::text IS NULL OR p.method = %(method)s)
AND (%(below)s::bigint IS NULL OR p.seq < %(below)s)

-- name: page_of_groups
-- A group is what has one state, queue and method. Each has its newest by itself in the index, and they are
-- merged: of those groups whose very newest is among so many as the page may have.
WITH RECURSIVE {groups}, newest AS (
    SELECT wanted.* FROM methods AS wanted, LATERAL ({newest_of} LIMIT 1) AS newest
    ORDER BY newest.seq DESC LIMIT %(limit)s::bigint + %(offset)s
)
SELECT {columns} FROM {schema}.qml_jobs AS j WHERE j.seq = ANY (ARRAY(
    SELECT newest.seq FROM newest AS wanted, LATERAL (
        {newest_of} LIMIT %(limit)s::bigint + %(offset)s
    ) AS newest ORDER BY newest.seq DESC LIMIT %(limit)s OFFSET %(offset)s
)) ORDER BY j.seq DESC

-- name: groups
-- Not a statement: what "{groups}" stands for: the groups that a page wants, or that there are; then one
-- jump along the index leads from each to the next.
states (state) AS (
    (SELECT state FROM {schema}.qml_jobs ORDER BY state LIMIT 1)
    UNION ALL
    SELECT (
        SELECT j.state FROM {schema}.qml_jobs AS j WHERE j.state > s.state
        ORDER BY j.state LIMIT 1
    ) FROM states AS s WHERE s.state IS NOT NULL
), queues (state, queue) AS (
    SELECT s.state, coalesce(%(queue)s, (
        SELECT j.queue FROM {schema}.qml_jobs AS j WHERE j.state = s.state
        ORDER BY j.queue LIMIT 1
    )) FROM states AS s WHERE %(states)s::text[] IS NULL OR s.state = ANY (%(states)s::text[])
    UNION ALL
    SELECT q.state, (
        SELECT j.queue FROM {schema}.qml_jobs AS j WHERE j.state = q.state AND j.queue > q.queue
        ORDER BY j.queue LIMIT 1
    ) FROM queues AS q WHERE q.queue IS NOT NULL AND %(queue)s::text IS NULL
), methods (state, queue, method) AS (
    SELECT q.state, q.queue, coalesce(%(method)s, (
        SELECT j.method FROM {schema}.qml_jobs AS j
        WHERE j.state = q.state AND j.queue = q.queue ORDER BY j.method LIMIT 1
    )) FROM queues AS q
    UNION ALL
    SELECT m.state, m.queue, (
        SELECT j.method FROM {schema}.qml_jobs AS j
        WHERE j.state = m.state AND j.queue = m.queue AND j.method > m.method
        ORDER BY j.method LIMIT 1
    ) FROM methods AS m WHERE m.method IS NOT NULL AND %(method)s::text IS NULL
)

-- name: newest_of
-- Not a statement: what "{newest_of}" stands for: of one group. Whole places in the index are compared,
-- since for "state = " the server takes the index of seqs, and walks it to the end when no row is
-- in that state.
SELECT p.seq FROM {schema}.qml_jobs AS p
WHERE (p.state, p.queue, p.method, p.seq) > (wanted.state, wanted.queue, wanted.method, 0)
    AND (p.state, p.queue, p.method, p.seq) < (
        wanted.state, wanted.queue, wanted.method, coalesce(%(below)s, 9223372036854775807)
    )
ORDER BY p.state DESC, p.queue DESC, p.method DESC, p.seq DESC

-- name: page_of_batch
-- "page_of_groups" of one batch, from its own index; of all its states where none is named.
WITH RECURSIVE known (state) AS (
    (
        SELECT state FROM {schema}.qml_jobs WHERE batch = %(batch)s ORDER BY state LIMIT 1
    )
    UNION ALL
    SELECT (
        SELECT j.state FROM {schema}.qml_jobs AS j
        WHERE j.batch = %(batch)s AND j.state > known.state ORDER BY j.state LIMIT 1
    ) FROM known WHERE known.state IS NOT NULL
)
SELECT {columns} FROM {schema}.qml_jobs AS j WHERE j.seq = ANY (ARRAY(
    SELECT newest.seq FROM known, LATERAL (
        SELECT p.seq FROM {schema}.qml_jobs AS p WHERE {other_filters} AND p.batch IS NOT NULL
            AND (p.batch, p.state, p.seq) > (%(batch)s, known.state, 0)
            AND (p.batch, p.state, p.seq)
                < (%(batch)s, known.state, coalesce(%(below)s, 9223372036854775807))
        ORDER BY p.batch DESC, p.state DESC, p.seq DESC LIMIT %(limit)s::bigint + %(offset)s
    ) AS newest
    WHERE %(states)s::text[] IS NULL OR known.state = ANY (%(states)s::text[])
    ORDER BY newest.seq DESC LIMIT %(limit)s OFFSET %(offset)s
)) ORDER BY j.seq DESC

-- name: available
-- Ready rows in index order, and waiting ones that are due; then both in the order of a claim. Those in
-- lanes are all looked at: it is for people.
SELECT {columns} FROM {schema}.qml_jobs AS j WHERE j.seq = ANY (ARRAY(
    SELECT seq FROM (
        (
            SELECT j.seq, j.priority FROM {schema}.qml_jobs AS j
            WHERE {plain} AND j.due_at <= %(now)s AND {free} AND {not_paused}
            ORDER BY j.priority DESC, j.seq LIMIT %(limit)s
        )
        UNION ALL
        SELECT j.seq, j.priority FROM {schema}.qml_jobs AS j
        WHERE j.ready AND j.lane IS NOT NULL AND j.due_at <= %(now)s AND {free} AND {not_paused}
        UNION ALL
        SELECT j.seq, j.priority FROM {schema}.qml_jobs AS j
        WHERE NOT j.ready AND j.due_at IS NOT NULL AND j.due_at <= %(now)s AND {free}
            AND {not_paused}
    ) AS best ORDER BY priority DESC, seq LIMIT %(limit)s
)) ORDER BY j.priority DESC, j.seq

-- name: oldest
-- Of each queue and priority the first ready row, one jump along the index each; of each queue the first
-- in a lane, and of those that fell due first and have not ripened.
WITH RECURSIVE heads AS (
    (
        SELECT queue, priority, seq FROM {schema}.qml_jobs WHERE ready AND lane IS NULL
        ORDER BY queue, priority DESC, seq LIMIT 1
    )
    UNION ALL
    SELECT next.* FROM heads, LATERAL (
        SELECT queue, priority, seq FROM (
            (
                SELECT 0 AS turn, queue, priority, seq FROM {schema}.qml_jobs
                WHERE ready AND lane IS NULL AND queue = heads.queue
                    AND priority < heads.priority
                ORDER BY priority DESC, seq LIMIT 1
            )
            UNION ALL
            (
                SELECT 1, queue, priority, seq FROM {schema}.qml_jobs
                WHERE ready AND lane IS NULL AND queue > heads.queue
                ORDER BY queue, priority DESC, seq LIMIT 1
            )
        ) AS either ORDER BY turn LIMIT 1
    ) AS next
)
SELECT {columns} FROM {schema}.qml_jobs AS j WHERE j.seq = ANY (ARRAY(
    (SELECT seq FROM heads LIMIT %(limit)s)
    UNION ALL
    SELECT min(j.seq) FROM (
        SELECT seq FROM {schema}.qml_lanes UNION ALL SELECT seq FROM {schema}.qml_news
    ) AS hint JOIN {schema}.qml_jobs AS j USING (seq) WHERE j.ready GROUP BY j.queue
    UNION ALL
    (
        SELECT DISTINCT ON (queue) seq FROM (
            SELECT queue, due_at, seq FROM {schema}.qml_jobs
            WHERE NOT ready AND due_at IS NOT NULL AND due_at <= %(now)s
            ORDER BY due_at, seq LIMIT %(limit)s
        ) AS due ORDER BY queue, due_at, seq
    )
))

-- name: batches
-- One jump along the index each.
WITH RECURSIVE firsts AS (
    (
        SELECT batch, seq FROM {schema}.qml_jobs WHERE batch >= %(start)s
        ORDER BY batch, state, seq LIMIT 1
    )
    UNION ALL
    SELECT next.* FROM firsts, LATERAL (
        SELECT batch, seq FROM {schema}.qml_jobs WHERE batch > firsts.batch
        ORDER BY batch, state, seq LIMIT 1
    ) AS next
)
SELECT {columns} FROM {schema}.qml_jobs AS j
WHERE j.seq = ANY (ARRAY(SELECT seq FROM firsts LIMIT %(limit)s)) ORDER BY j.batch

-- name: lapsed
SELECT {columns} FROM {schema}.qml_jobs AS j
WHERE j.state = 'processing' AND j.lease_until <= %(now)s
ORDER BY j.lease_until, j.seq LIMIT %(limit)s

-- name: expired
SELECT {columns} FROM {schema}.qml_jobs AS j
WHERE j.due_at IS NOT NULL AND j.expires_at <= %(now)s
ORDER BY j.expires_at, j.seq LIMIT %(limit)s

-- name: after
SELECT {columns} FROM {schema}.qml_jobs AS j WHERE j.seq > %(seq)s ORDER BY j.seq LIMIT %(limit)s

-- name: count
SELECT p.{by}, count(*) FROM {schema}.qml_jobs AS p
WHERE (%(states)s::text[] IS NULL OR p.state = ANY (%(states)s::text[])) AND {filters}
GROUP BY p.{by}

-- name: erase_finished
-- What another changes just now is left for the next time.
WITH doomed AS MATERIALIZED (
    SELECT seq FROM {schema}.qml_jobs
    WHERE purge_at IS NULL AND state = %(state)s AND finished_at <= %(by)s
    ORDER BY finished_at, seq LIMIT %(limit)s FOR UPDATE SKIP LOCKED
), erased AS (
    DELETE FROM {schema}.qml_jobs AS j USING doomed AS d WHERE j.seq = d.seq RETURNING 1
)
SELECT count(*) FROM erased

-- name: erase_overdue
WITH doomed AS MATERIALIZED (
    SELECT seq FROM {schema}.qml_jobs WHERE purge_at <= %(by)s
    ORDER BY purge_at, seq LIMIT %(limit)s FOR UPDATE SKIP LOCKED
), erased AS (
    DELETE FROM {schema}.qml_jobs AS j USING doomed AS d WHERE j.seq = d.seq RETURNING 1
)
SELECT count(*) FROM erased

-- name: erase
WITH locked AS MATERIALIZED (
    {locked}
), erased AS (
    DELETE FROM {schema}.qml_jobs AS j
    USING (SELECT seq FROM locked ORDER BY id LIMIT %(limit)s) AS d WHERE j.seq = d.seq
    RETURNING 1
)
SELECT (SELECT count(*) FROM erased), (SELECT count(*) FROM locked)

-- name: read_record
SELECT name, version, body FROM {schema}.qml_records WHERE name = %(name)s

-- name: list_records
-- No LIKE: a name may hold its wildcards.
SELECT name, version, body FROM {schema}.qml_records
WHERE name >= %(prefix)s AND starts_with(name, %(prefix)s) ORDER BY name

-- name: create_record
-- One that is there already with the stamp was made by this very call, whose reply was lost.
INSERT INTO {schema}.qml_records AS r (name, version, body, stamp)
VALUES (%(name)s, 1, %(body)s, %(stamp)s)
ON CONFLICT (name) DO UPDATE SET stamp = excluded.stamp WHERE r.stamp = excluded.stamp
RETURNING 1

-- name: change_record
UPDATE {schema}.qml_records SET version = %(expected)s + 1, body = %(body)s, stamp = %(stamp)s
WHERE name = %(name)s AND (version = %(expected)s OR stamp = %(stamp)s)
RETURNING 1

-- name: remove_record
DELETE FROM {schema}.qml_records WHERE name = %(name)s AND version = %(expected)s RETURNING 1

-- name: time
-- A whole number: as a float it would lose the last digits.
SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint

-- name: notify
NOTIFY {channel}

-- name: listen
LISTEN {channel}

-- name: begin
-- Whatever the database or the role is set to: who has waited for a lock has to see what was committed
-- meanwhile.
BEGIN ISOLATION LEVEL READ COMMITTED

-- name: commit
COMMIT

-- name: rollback
ROLLBACK

-- name: present
-- What is there before the first migration.
SELECT
    current_setting('server_encoding'),
    EXISTS (SELECT FROM pg_namespace WHERE nspname = %(schema)s),
    ARRAY(
        SELECT c.relname::text FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
        WHERE n.nspname = %(schema)s AND c.relname = ANY (%(tables)s::text[])
    )

-- name: schema_version
SELECT value FROM {schema}.qml_meta WHERE name = 'schema'

-- name: set_schema_version
INSERT INTO {schema}.qml_meta (name, value) VALUES ('schema', %(version)s)
ON CONFLICT (name) DO UPDATE SET value = excluded.value

-- name: one_migrates
SELECT pg_advisory_xact_lock(%(space)s, %(lock)s)

-- name: create_schema
CREATE SCHEMA IF NOT EXISTS {schema}

-- name: has_lz4
-- From 14 on, if it was built with it.
SELECT 1 FROM pg_settings WHERE name = 'default_toast_compression' AND 'lz4' = ANY (enumvals)

-- name: compress_by_lz4
-- As small as by the server's own default, in a fourth to an eighth of the time: a JSON text of 3,000 bytes
-- takes 8 us in place of 30, one of 1,000,000 takes 4 ms in place of 32.
ALTER TABLE {schema}.qml_jobs ALTER payload SET COMPRESSION lz4, ALTER detail SET COMPRESSION lz4,
    ALTER failures SET COMPRESSION lz4, ALTER metadata SET COMPRESSION lz4,
    ALTER notes SET COMPRESSION lz4

-- name: drop_tables
DROP TABLE IF EXISTS {schema}.qml_jobs, {schema}.qml_records, {schema}.qml_meta, {schema}.qml_lanes,
    {schema}.qml_paces, {schema}.qml_news, {schema}.qml_ends, {schema}.qml_tallies, {schema}.qml_ticks;
DROP FUNCTION IF EXISTS {schema}.qml_parts, {schema}.qml_names, {schema}.qml_came, {schema}.qml_changed,
    {schema}.qml_gone, {schema}.qml_count

-- name: is_empty
-- Whether nothing lives in the schema (any more).
SELECT NOT EXISTS (
    SELECT FROM pg_depend AS d JOIN pg_namespace AS n ON n.oid = d.refobjid
    WHERE d.refclassid = 'pg_namespace'::regclass AND n.nspname = %(schema)s
)

-- name: drop_schema
DROP SCHEMA IF EXISTS {schema}
