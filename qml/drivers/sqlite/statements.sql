-- Every statement of the SQLite driver, by name. ":name" is a parameter.
-- A name's comment says what the statement is for; an odd form has its reason beside it.
-- "+:limit" and "+:state" hide the value from who plans: SQLite would prepare the statement anew for
-- each value of a bare one, since a limit, or a partial index, might call for another plan.

-- name: columns
-- Not a statement: what "{columns}" stands for, in the order of qml.seam.rows.Row. In a
-- damaged file the payload may be missing, and the notes with it.
j.seq, j.id, j.version, j.state, j.queue, j.priority, j.method, j.attempt, j.fence,
j.max_attempts, j.ahead, j.worker, j.locked_by, j.lease_until, j.due_at, j.finished_at, j.purge_at,
j.expires_at, j.created_at, j.key_held, j.unique_key, j.unique_while, j.max_retries,
j.timeout_seconds, j.job_type, j.lane, j.permit, j.batch, CAST(j.counts AS TEXT), j.awaits,
j.needs_all, j.detail, j.failures, j.metadata, p.body, ifnull(p.notes, '')

-- name: jobs
-- Not a statement: what "{jobs}" stands for. Payloads stand apart, since SQLite rewrites a whole
-- record at every update (claim + finish of a 16 kB job: six times the cost in one table).
qml_jobs AS j LEFT JOIN qml_payloads AS p ON p.seq = j.seq

-- name: claimable
-- Not a statement: what "{claimable}" stands for: a row that no limit keeps back.
j.ready = 1 AND j.lane IS NULL AND {free}

-- name: free
-- Not a statement: what "{free}" stands for: due, and held by nobody but the worker.
-- due_at is asked again, for the case that the store's clock was set back a little.
j.due_at <= :now
AND (j.lease_until IS NULL OR j.lease_until <= :now OR coalesce(j.locked_by, j.worker) = :worker)

-- name: lapsed_claim
-- Not a statement: what "{lapsed_claim}" stands for: a claim whose lease has ended, unrescued.
(state = 'processing' AND coalesce(lease_until <= :now, FALSE))

-- name: may_live
-- Not a statement: what "{may_live}" stands for: a claim of the row may be held on to, since it has
-- not lapsed, or needs no permit, or there is one free.
(lease_until IS NULL OR lease_until > :now OR permit IS NULL
 OR ifnull((SELECT count(*) FROM qml_jobs AS other
            WHERE other.permit = qml_jobs.permit AND other.lease_until > :now
              AND other.locked_by IS NULL)
           < CAST(json_extract(iif(json_valid(lane), lane, '[]'), '$[2]') AS INTEGER), TRUE))

-- name: has_schema
SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'qml_meta'

-- name: read_meta
SELECT value FROM qml_meta WHERE name = :name

-- name: write_meta
INSERT INTO qml_meta (name, value) VALUES (:name, :value)
ON CONFLICT (name) DO UPDATE SET value = excluded.value

-- name: insert_job
-- "ready" = in the index a claim reads; what is due later gets there by "ripen".
-- "OR FAIL", here and below: a statement that may fail and fires triggers would keep a journal to
-- undo itself, at 1.5 to 2 us a row. None of these has anything to undo when it fails.
INSERT OR FAIL INTO qml_jobs ({names}) VALUES ({marks})

-- name: insert_payload
-- It comes before its row, and gives the number to both: one more than the last payload has.
INSERT INTO qml_payloads (body, notes) VALUES (?, ?)

-- name: last_seq
SELECT last_insert_rowid()

-- name: newest
SELECT max(seq) FROM qml_jobs

-- name: move_payloads
UPDATE qml_payloads SET seq = seq + :by WHERE seq >= :first

-- name: holder_of_id
SELECT id FROM qml_jobs WHERE id = :id

-- name: holder_of_key
SELECT id FROM qml_jobs WHERE unique_key = :unique_key AND key_held > 0

-- name: load
SELECT {columns} FROM json_each(:ids) AS wanted JOIN qml_jobs AS j ON j.id = wanted.value
LEFT JOIN qml_payloads AS p ON p.seq = j.seq

-- name: move
-- A change of state. A NULL seq means whichever row has the id; a NULL lapsed_by guards nothing.
UPDATE qml_jobs SET
    version = version + 1, state = :state, detail = :detail, failures = :failures,
    attempt = :attempt, max_attempts = :max_attempts, ahead = :ahead, due_at = :due_at,
    ready = iif(due_at IS :due_at, ready, :due_at IS 0), finished_at = :finished_at,
    purge_at = :purge_at, key_held = coalesce(:key_held, key_held),
    locked_by = iif(:ends_lease, NULL, locked_by),
    lease_until = iif(:ends_lease, NULL, lease_until)
WHERE id = :id AND version = :version AND seq = coalesce(:seq, seq)
  AND (:lapsed_by IS NULL OR lease_until <= :lapsed_by)

-- name: end_claims
-- "move" for claims that end in a final state, many at once. It names neither due_at nor ready:
-- SQLite would rewrite the three indexes they stand in, changed or not (6.9 against 3.5 us a row).
-- Nor purge_at, which few have: "leave" sets it.
UPDATE OR FAIL qml_jobs SET
    version = version + 1, state = column4, detail = column5, failures = column6,
    attempt = column7, max_attempts = column8, ahead = column9, finished_at = column10,
    key_held = coalesce(column11, key_held), locked_by = NULL, lease_until = NULL
FROM (VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?))
WHERE seq = column1 AND id = column2 AND version = column3 AND due_at IS NULL AND purge_at IS NULL

-- name: leave
UPDATE qml_jobs SET purge_at = ? WHERE seq = ?

-- name: rewrite
UPDATE qml_jobs SET
    version = :version, state = :state, queue = :queue, priority = :priority, method = :method,
    attempt = :attempt, fence = :fence, max_attempts = :max_attempts, ahead = :ahead,
    worker = iif(:keeps_lease, worker, :worker),
    locked_by = iif(:keeps_lease, locked_by, :locked_by),
    lease_until = iif(:keeps_lease, lease_until, :lease_until),
    due_at = :due_at, ready = iif(due_at IS :due_at, ready, :due_at IS 0),
    finished_at = :finished_at, purge_at = :purge_at, expires_at = :expires_at,
    created_at = :created_at, key_held = :key_held, unique_key = :unique_key,
    unique_while = :unique_while, max_retries = :max_retries, timeout_seconds = :timeout_seconds,
    job_type = :job_type, lane = :lane, permit = :permit, detail = :detail, failures = :failures,
    metadata = :metadata
WHERE id = :id AND version = :expected AND seq = coalesce(:seq, seq)

-- name: rewrite_payload
UPDATE qml_payloads SET body = :payload WHERE seq = (SELECT seq FROM qml_jobs WHERE id = :id)

-- name: outlook
-- When the next row falls due that is not in the ready index yet; when the first closed lane may
-- open; whether there are lanes with ready rows, and paused queues.
SELECT
    (SELECT due_at FROM qml_jobs WHERE ready = 0 AND due_at IS NOT NULL ORDER BY due_at LIMIT 1),
    (SELECT opens_at FROM qml_lanes WHERE opens_at IS NOT NULL ORDER BY opens_at LIMIT 1),
    EXISTS (SELECT 1 FROM qml_lanes),
    EXISTS (SELECT 1 FROM qml_records WHERE name >= 'paused/' AND name < 'paused0')

-- name: anything_for
SELECT 1 FROM qml_jobs AS j WHERE {claimable} LIMIT 1

-- name: anything_in_queue
SELECT 1 FROM qml_jobs AS j WHERE j.queue = :queue AND {claimable} LIMIT 1

-- name: ripen
UPDATE qml_jobs SET ready = 1 WHERE seq IN (
    SELECT seq FROM qml_jobs WHERE ready = 0 AND due_at IS NOT NULL AND due_at <= :now
    ORDER BY due_at, seq LIMIT 1000
)

-- name: best
SELECT {columns} FROM {jobs} WHERE {claimable}
ORDER BY j.priority DESC, j.seq LIMIT +:limit

-- name: best_in_queue
SELECT {columns} FROM {jobs} WHERE j.queue = :queue AND {claimable}
ORDER BY j.priority DESC, j.seq LIMIT +:limit

-- name: claimed
-- Not a statement: what "{claimed}" stands for: the columns that a claim writes.
state = 'processing', version = version + 1, attempt = attempt + 1, fence = fence + 1,
ahead = ?, worker = ?, locked_by = NULL, lease_until = ?, due_at = NULL, ready = 0,
key_held = iif(key_held = 1, 0, key_held), detail = ?

-- name: take
-- Write the claim into chosen rows.
UPDATE OR FAIL qml_jobs SET {claimed} WHERE seq IN (SELECT value FROM json_each(?))

-- name: take_one
UPDATE OR FAIL qml_jobs SET {claimed} WHERE seq = ?

-- name: renew
UPDATE OR FAIL qml_jobs SET lease_until = :until
WHERE id = :id AND seq = coalesce(:seq, seq) AND worker = :worker AND fence = :fence
  AND lease_until IS NOT NULL AND locked_by IS NULL AND (lease_until > :now OR permit IS NULL)

-- name: renew_lapsed
-- The same of what "renew" leaves aside.
UPDATE qml_jobs SET lease_until = :until
WHERE id = :id AND seq = coalesce(:seq, seq) AND worker = :worker AND fence = :fence
  AND lease_until <= :now AND locked_by IS NULL AND permit IS NOT NULL AND {may_live}

-- name: permit_if_lapsed
-- The permit of the claim that a hold would make live again.
SELECT permit FROM qml_jobs
WHERE id = :id AND permit IS NOT NULL AND lease_until <= :now
  AND (:fence IS NOT NULL OR state = 'processing')

-- name: write_notes
-- After "renew", whose claim this is.
UPDATE qml_payloads SET notes = :notes
WHERE seq = (SELECT seq FROM qml_jobs WHERE id = :id AND state = 'processing')

-- name: lock
-- Over a lapsed claim, the old hand becomes stale.
UPDATE qml_jobs SET
    fence = fence + {lapsed_claim}, version = version + {lapsed_claim},
    worker = iif({lapsed_claim}, :worker, worker),
    locked_by = CASE
        WHEN lease_until > :now THEN locked_by
        WHEN {lapsed_claim} THEN NULL
        ELSE :worker
    END,
    lease_until = :until
WHERE id = :id AND seq = coalesce(:seq, seq)
  AND (lease_until IS NULL OR lease_until <= :now OR coalesce(locked_by, worker) = :worker)
  AND (state <> 'processing' OR {may_live})

-- name: let_go
UPDATE qml_jobs SET
    lease_until = iif(state = 'processing', :now, NULL),
    locked_by = iif(state = 'processing', locked_by, NULL)
WHERE id = :id AND coalesce(locked_by, worker) = :worker AND lease_until > :now
    AND (:seq IS NULL OR seq = :seq AND fence = :fence AND locked_by IS NULL)

-- name: page
-- The seqs come from an index alone, the records only for the page.
SELECT {columns} FROM {jobs} WHERE j.seq IN (
    SELECT seq FROM qml_jobs
    WHERE seq < :below
      AND (:states IS NULL OR state IN (SELECT value FROM json_each(:states)))
      AND (:queue IS NULL OR queue = :queue) AND (:method IS NULL OR method = :method)
    ORDER BY seq DESC LIMIT +:limit OFFSET :offset
) ORDER BY j.seq DESC

-- name: seqs_of_queue
SELECT seq FROM qml_jobs
WHERE state = +:state AND queue = :queue AND seq < :below AND (:method IS NULL OR method = :method)
ORDER BY seq DESC LIMIT +:limit

-- name: first_state
SELECT min(state) FROM qml_jobs

-- name: next_state
SELECT min(state) FROM qml_jobs WHERE state > :after

-- name: first_queue
SELECT min(queue) FROM qml_jobs WHERE state = +:state

-- name: next_queue
SELECT min(queue) FROM qml_jobs WHERE state = +:state AND queue > :after

-- name: page_of_batch
SELECT {columns} FROM {jobs} WHERE j.seq IN (
    SELECT seq FROM qml_jobs
    WHERE batch = :batch AND seq < :below
      AND (:states IS NULL OR state IN (SELECT value FROM json_each(:states)))
      AND (:queue IS NULL OR queue = :queue) AND (:method IS NULL OR method = :method)
    ORDER BY seq DESC LIMIT +:limit OFFSET :offset
) ORDER BY j.seq DESC

-- name: first_batch
SELECT seq, batch FROM qml_jobs WHERE batch >= :start ORDER BY batch LIMIT 1

-- name: next_batch
SELECT seq, batch FROM qml_jobs WHERE batch > :after ORDER BY batch LIMIT 1

-- name: rows
SELECT {columns} FROM {jobs} WHERE j.seq IN (SELECT value FROM json_each(:seqs))
ORDER BY j.seq DESC

-- name: available
-- Ready rows in index order, those in lanes, and waiting ones that are due; then all in the order
-- of a claim. Not those of paused queues.
SELECT {columns} FROM {jobs} WHERE j.seq IN (
    SELECT seq FROM (
        SELECT seq FROM qml_jobs
        WHERE ready = 1 AND lane IS NULL AND due_at <= :now
          AND (lease_until IS NULL OR lease_until <= :now) AND queue NOT IN {paused}
        ORDER BY priority DESC, seq LIMIT +:limit
    )
    UNION ALL
    SELECT seq FROM (
        SELECT seq FROM qml_jobs
        WHERE ready = 1 AND lane IS NOT NULL AND due_at <= :now
          AND (lease_until IS NULL OR lease_until <= :now) AND queue NOT IN {paused}
        ORDER BY priority DESC, seq LIMIT +:limit
    )
    UNION ALL
    SELECT seq FROM qml_jobs
    WHERE ready = 0 AND due_at IS NOT NULL AND due_at <= :now
      AND (lease_until IS NULL OR lease_until <= :now) AND queue NOT IN {paused}
) ORDER BY j.priority DESC, j.seq LIMIT +:limit

-- name: next_priority
-- Of a queue, the lowest after some priority; and the first of its rows.
SELECT j.priority, (
    SELECT min(seq) FROM qml_jobs
    WHERE ready = 1 AND lane IS NULL AND queue = :queue AND priority = j.priority
)
FROM qml_jobs AS j
WHERE j.ready = 1 AND j.lane IS NULL AND j.queue = :queue AND j.priority > :after
ORDER BY j.priority LIMIT 1

-- name: first_ready_queue
SELECT min(queue) FROM qml_jobs WHERE ready = 1 AND lane IS NULL

-- name: next_ready_queue
SELECT min(queue) FROM qml_jobs WHERE ready = 1 AND lane IS NULL AND queue > :after

-- name: oldest_in_lanes
-- Of each queue. A lane's place may be a better one than its best row's.
SELECT min(j.seq) FROM qml_lanes AS l JOIN qml_jobs AS j ON j.seq = l.seq AND j.ready = 1
GROUP BY j.queue

-- name: oldest_waiting
-- Of each queue, of those that fell due first.
SELECT seq, min(due_at) FROM (
    SELECT seq, queue, due_at FROM qml_jobs
    WHERE ready = 0 AND due_at IS NOT NULL AND due_at <= :now ORDER BY due_at, seq LIMIT +:limit
) GROUP BY queue

-- name: lapsed
-- SQLite would take the index of the states, and sort all that run.
SELECT {columns} FROM qml_jobs AS j INDEXED BY qml_jobs_running
LEFT JOIN qml_payloads AS p ON p.seq = j.seq
WHERE j.state = 'processing' AND j.lease_until <= :now
ORDER BY j.lease_until, j.seq LIMIT +:limit

-- name: expired
SELECT {columns} FROM {jobs} WHERE j.due_at IS NOT NULL AND j.expires_at <= :now
ORDER BY j.expires_at, j.seq LIMIT +:limit

-- name: after
SELECT {columns} FROM {jobs} WHERE j.seq > :seq ORDER BY j.seq LIMIT +:limit

-- name: count
-- Of one state, and so by queue in the order of the index: to sort a million takes SQLite 1.7 s.
SELECT {by}, count(*) FROM qml_jobs
WHERE state = +:state AND (:below IS NULL OR seq < :below)
  AND (:queue IS NULL OR queue = :queue) AND (:method IS NULL OR method = :method)
GROUP BY {by}

-- name: count_of_batch
SELECT {by}, count(*) FROM qml_jobs
WHERE batch = :batch AND (:below IS NULL OR seq < :below)
  AND (:states IS NULL OR state IN (SELECT value FROM json_each(:states)))
  AND (:queue IS NULL OR queue = :queue) AND (:method IS NULL OR method = :method)
GROUP BY {by}

-- name: finished
SELECT seq FROM qml_jobs WHERE purge_at IS NULL AND state = +:state AND finished_at <= :by
ORDER BY finished_at, seq LIMIT +:limit

-- name: overdue
SELECT seq FROM qml_jobs WHERE purge_at <= :by ORDER BY purge_at, seq LIMIT +:limit

-- name: seqs_of_ids
SELECT seq FROM qml_jobs WHERE id IN (SELECT value FROM json_each(:ids)) LIMIT +:limit

-- name: erase_jobs
DELETE FROM qml_jobs WHERE seq IN (SELECT value FROM json_each(:seqs))

-- name: erase_payloads
-- After "erase_jobs". Not the last one, or its number would be given again; that goes with the next.
DELETE FROM qml_payloads
WHERE seq IN (
    SELECT value FROM json_each(:seqs) UNION ALL SELECT value - 1 FROM json_each(:seqs)
) AND seq NOT IN (SELECT seq FROM qml_jobs) AND seq < (SELECT max(seq) FROM qml_payloads)

-- name: empty_newest
-- Of the payload that is left only for its number, nothing else is left.
UPDATE qml_payloads SET body = '', notes = ''
WHERE seq = (SELECT max(seq) FROM qml_payloads) AND seq NOT IN (SELECT seq FROM qml_jobs)

-- name: read_record
SELECT name, version, body FROM qml_records WHERE name = :name

-- name: list_records
-- No LIKE: a name may hold its wildcards.
SELECT name, version, body FROM qml_records
WHERE name >= :prefix AND substr(name, 1, length(:prefix)) = :prefix ORDER BY name

-- name: create_record
INSERT INTO qml_records (name, version, body) VALUES (:name, 1, :body) ON CONFLICT DO NOTHING

-- name: change_record
UPDATE qml_records SET version = version + 1, body = :body
WHERE name = :name AND version = :expected

-- name: remove_record
DELETE FROM qml_records WHERE name = :name AND version = :expected

-- name: begin
-- IMMEDIATE: the write lock is taken before anything is read, so that what was read still holds.
BEGIN IMMEDIATE

-- name: commit
COMMIT

-- name: rollback
ROLLBACK

-- name: mark
-- In a transaction, for what is to be undone should the next statement change nothing.
SAVEPOINT qml_mark

-- name: back_to_mark
ROLLBACK TO qml_mark

-- name: unmark
RELEASE qml_mark

-- name: use_wal
PRAGMA journal_mode = WAL

-- name: limit_wal
-- Bytes the write-ahead log is cut back to once readers let it: it grows while one stays.
PRAGMA journal_size_limit = 16777216

-- name: write_back
-- All of the log, with the write lock, so that nothing is added meanwhile.
PRAGMA wal_checkpoint(FULL)

-- name: flush_the_drive
-- macOS: a sync leaves the data in the drive's own cache unless this is on. Nothing elsewhere.
PRAGMA fullfsync = ON

-- name: sync_full
PRAGMA synchronous = FULL

-- name: sync_normal
PRAGMA synchronous = NORMAL

-- name: data_version
-- Changes when another connection has committed.
PRAGMA data_version
