-- Copies of a job that qml wrote. "{columns}" are all the table has, but for seq on PostgreSQL, which
-- gives it; "{values}" are the same of the pattern, or what is a copy's own: see fill.py.

-- name: sqlite_jobs
WITH RECURSIVE numbers (n) AS (
    VALUES (:first) UNION ALL SELECT n + 1 FROM numbers WHERE n < :last
)
INSERT INTO qml_jobs ({columns})
SELECT {values} FROM numbers CROSS JOIN (SELECT * FROM qml_jobs WHERE id = :id) AS j

-- name: sqlite_payloads
INSERT INTO qml_payloads (seq, body, notes)
SELECT j.seq, p.body, p.notes FROM qml_jobs AS j CROSS JOIN qml_payloads AS p
WHERE j.seq > :seq AND p.seq = (SELECT seq FROM qml_jobs WHERE id = :id)

-- name: sqlite_seq
SELECT max(seq) FROM qml_jobs

-- name: sqlite_columns
SELECT name FROM pragma_table_info('qml_jobs')

-- name: sqlite_settle
PRAGMA wal_checkpoint(TRUNCATE)

-- name: postgres_jobs
INSERT INTO {schema}.qml_jobs ({columns})
SELECT {values} FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS numbers (n)
CROSS JOIN (SELECT * FROM {schema}.qml_jobs WHERE id = %(id)s) AS j

-- name: postgres_columns
SELECT attname FROM pg_attribute
WHERE attrelid = '{schema}.qml_jobs'::regclass AND attnum > 0 AND NOT attisdropped
    AND attname <> 'seq'

-- name: postgres_vacuum
VACUUM ANALYZE {schema}.qml_jobs

-- name: postgres_checkpoint
CHECKPOINT
