-- The bare loop on PostgreSQL, in qml's own tables. "{schema}" is the name of their schema.

-- name: insert
INSERT INTO {schema}.qml_jobs (
    id, version, state, queue, priority, method, attempt, fence, max_attempts, ahead, due_at,
    created_at, key_held, unique_while, detail, failures, metadata, payload, notes, ready, stamp
) VALUES (
    %(id)s, 0, 'enqueued', 'default', 0, 'nothing', 0, 0, 6, 0, 0,
    1900000000000000, 0, 'unfinished', %(enqueued)s, '[]', '{}', %(payload)s, '', true, 0
) RETURNING seq

-- name: insert_many
INSERT INTO {schema}.qml_jobs (
    id, version, state, queue, priority, method, attempt, fence, max_attempts, ahead, due_at,
    created_at, key_held, unique_while, detail, failures, metadata, payload, notes, ready, stamp
) SELECT
    id, 0, 'enqueued', 'default', 0, 'nothing', 0, 0, 6, 0, 0,
    1900000000000000, 0, 'unfinished', detail, '[]', '{}', payload, '', true, 0
FROM unnest(%(ids)s::text[], %(details)s::text[], %(payloads)s::text[]) AS n (id, detail, payload)
RETURNING seq

-- name: claim
UPDATE {schema}.qml_jobs SET
    state = 'processing', version = version + 1, attempt = attempt + 1, fence = fence + 1,
    worker = 'bare', lease_until = 1900000030000000, due_at = NULL, ready = false,
    detail = %(started)s
WHERE seq = ANY (ARRAY(
    SELECT seq FROM {schema}.qml_jobs WHERE ready ORDER BY priority DESC, seq
    LIMIT %(most)s FOR UPDATE SKIP LOCKED
)) RETURNING seq, id, version, method, payload

-- name: finish
UPDATE {schema}.qml_jobs AS j SET
    state = 'succeeded', version = j.version + 1, lease_until = NULL,
    finished_at = 1900000000000000, detail = done.detail
FROM unnest(%(seqs)s::bigint[], %(versions)s::bigint[], %(details)s::text[])
    AS done (seq, version, detail)
WHERE j.seq = done.seq AND j.version = done.version
