-- What rows share: paused queues, lanes, tallies. Hints and tallies are kept by the triggers of
-- schema.sql, whatever statement changes a row.

-- name: paused
-- Not a statement: what "{paused}" stands for: the paused queues, by the names of their records.
(SELECT substr(name, 8) FROM qml_records WHERE name >= 'paused/' AND name < 'paused0')

-- name: paused_queues
SELECT * FROM {paused}

-- name: queues
-- The queues of ready rows, one step through the index each.
WITH RECURSIVE known(queue) AS (
    SELECT * FROM (
        SELECT queue FROM qml_jobs WHERE ready = 1 AND lane IS NULL ORDER BY queue LIMIT 1
    )
    UNION ALL
    SELECT (
        SELECT queue FROM qml_jobs WHERE ready = 1 AND lane IS NULL AND queue > known.queue
        ORDER BY queue LIMIT 1
    ) FROM known WHERE known.queue IS NOT NULL
)
SELECT queue FROM known WHERE queue IS NOT NULL

-- name: queues_of_lanes
-- The same of lanes that may be open.
WITH RECURSIVE known(queue) AS (
    SELECT * FROM (SELECT queue FROM qml_lanes WHERE opens_at IS NULL ORDER BY queue LIMIT 1)
    UNION ALL
    SELECT (
        SELECT queue FROM qml_lanes WHERE opens_at IS NULL AND queue > known.queue
        ORDER BY queue LIMIT 1
    ) FROM known WHERE known.queue IS NOT NULL
)
SELECT queue FROM known WHERE queue IS NOT NULL

-- name: open_lanes
-- Those that may be open, by the place of their best row.
SELECT -priority, seq, lane FROM qml_lanes WHERE opens_at IS NULL ORDER BY priority DESC, seq

-- name: open_lanes_in_queue
SELECT -priority, seq, lane FROM qml_lanes WHERE queue = :queue AND opens_at IS NULL
ORDER BY priority DESC, seq

-- name: best_in_lane
SELECT j.seq, j.priority, j.expires_at, j.lane FROM qml_jobs AS j
WHERE j.ready = 1 AND j.lane = :lane AND {free}
ORDER BY j.priority DESC, j.seq LIMIT +:limit OFFSET :offset

-- name: leases
-- When the live claims under a permit end.
SELECT lease_until FROM qml_jobs
WHERE permit = :permit AND lease_until > :now AND locked_by IS NULL ORDER BY lease_until

-- name: put_back
-- Those who lapsed under a permit that is taken have lapsed for good: a renewal that left before comes
-- too late, whatever it thinks the time is.
UPDATE qml_jobs SET lease_until = max(0, lease_until - :span)
WHERE permit = :permit AND lease_until <= :now AND lease_until > :now - :span
  AND locked_by IS NULL

-- name: pace
SELECT time FROM qml_paces WHERE pace = :pace

-- name: set_pace
INSERT INTO qml_paces (pace, time) VALUES (?, ?)
ON CONFLICT (pace) DO UPDATE SET time = excluded.time

-- name: sweep_paces
-- A time that is over says as much as none.
DELETE FROM qml_paces
WHERE pace IN (SELECT pace FROM qml_paces WHERE time <= :now ORDER BY time LIMIT +:limit)

-- name: reopen
-- Lanes whose time has come.
UPDATE qml_lanes SET opens_at = NULL
WHERE lane IN (SELECT lane FROM qml_lanes WHERE opens_at <= :now ORDER BY opens_at LIMIT 1000)

-- name: forget_lane
DELETE FROM qml_lanes
WHERE lane = ? AND NOT EXISTS (
    SELECT 1 FROM qml_jobs AS j WHERE j.ready = 1 AND j.lane = qml_lanes.lane
)

-- name: settle_lane
-- Where its best row is, and when it may open.
UPDATE qml_lanes SET opens_at = ?, (priority, seq) = (
    SELECT j.priority, j.seq FROM qml_jobs AS j WHERE j.ready = 1 AND j.lane = qml_lanes.lane
    ORDER BY j.priority DESC, j.seq LIMIT 1
) WHERE lane = ?

-- name: read_tally
SELECT unfinished, open, failed FROM qml_tallies WHERE name = :name

-- name: open_tally
INSERT INTO qml_tallies (name, unfinished, open, failed)
VALUES (:name, 0, 1, coalesce(:failed, 0))
ON CONFLICT (name) DO UPDATE SET open = 1, failed = coalesce(:failed, failed)

-- name: tell_tally
UPDATE qml_tallies SET open = coalesce(:open, open), failed = coalesce(:failed, failed)
WHERE name = :name

-- name: await_parents
INSERT INTO qml_tallies (name, unfinished, open, failed) VALUES (:name, :unfinished, 0, :failed)
ON CONFLICT (name) DO UPDATE SET
    unfinished = unfinished + excluded.unfinished, open = 0, failed = failed + excluded.failed

-- name: parent
SELECT seq, counts, finished_at IS NOT NULL, state = 'succeeded' FROM qml_jobs WHERE id = :id

-- name: set_counts
UPDATE qml_jobs SET counts = ? WHERE seq = ?
