-- The bare loop on SQLite, in qml's own tables: so its triggers are there, and "OR FAIL" as in qml.

-- name: synchronous_full
PRAGMA synchronous = full

-- name: synchronous_normal
PRAGMA synchronous = normal

-- name: begin
BEGIN IMMEDIATE

-- name: commit
COMMIT

-- name: insert
INSERT OR FAIL INTO qml_jobs (
    id, version, state, queue, priority, method, attempt, fence, max_attempts, ahead, due_at,
    created_at, key_held, unique_while, detail, failures, metadata, ready
) VALUES (
    :id, 0, 'enqueued', 'default', 0, 'nothing', 0, 0, 6, 0, 0,
    1900000000000000, 0, 'unfinished', :enqueued, '[]', '{}', 1
)

-- name: insert_payload
INSERT INTO qml_payloads (seq, body, notes) VALUES (:seq, :payload, '')

-- name: best
SELECT j.seq, j.id, j.version, j.method, p.body
FROM qml_jobs AS j JOIN qml_payloads AS p ON p.seq = j.seq
WHERE j.ready = 1 AND j.lane IS NULL ORDER BY j.priority DESC, j.seq LIMIT :most

-- name: claim
UPDATE OR FAIL qml_jobs SET
    state = 'processing', version = version + 1, attempt = attempt + 1, fence = fence + 1,
    worker = 'bare', lease_until = 1900000030000000, due_at = NULL, ready = 0, detail = :started
WHERE seq = :seq

-- name: finish
UPDATE OR FAIL qml_jobs SET
    state = 'succeeded', version = version + 1, lease_until = NULL,
    finished_at = 1900000000000000, detail = :done
WHERE seq = :seq AND version = :version
