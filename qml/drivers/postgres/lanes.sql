-- What keeps rows back: lanes and paused queues. Read with statements.sql.

-- name: next_opening
-- Not a statement: what "{next_opening}" stands for: when the first of the closed lanes may open.
SELECT opens_at FROM {schema}.qml_lanes WHERE opens_at > 0 ORDER BY opens_at LIMIT 1

-- name: any_lane
-- Not a statement: what "{any_lane}" stands for. ORDER BY and LIMIT as in "next_waiting".
((SELECT opens_at FROM {schema}.qml_lanes ORDER BY opens_at LIMIT 1) IS NOT NULL
    OR (SELECT number FROM {schema}.qml_news ORDER BY number LIMIT 1) IS NOT NULL)

-- name: limited_of_chosen
-- Not a statement: what "{limited}" stands for in a claim that has chosen, and is not asked.
true

-- name: limited_of_all
-- Not a statement: what "{limited}" stands for: there is something that may keep rows back.
({any_lane} OR coalesce(starts_with((
    SELECT name FROM {schema}.qml_records WHERE name >= 'paused/' ORDER BY name LIMIT 1
), 'paused/'), false))

-- name: not_paused
-- Not a statement: what "{not_paused}" stands for.
j.queue <> ALL (ARRAY(
    SELECT substr(name, 8) FROM {schema}.qml_records
    WHERE name >= 'paused/' AND starts_with(name, 'paused/')
))

-- name: look
-- What a careful claim has to know: the queues that are paused, whether there are lanes, or rows fall due
-- that may have one, and if so, whether the lock of the lanes was to be had. Who has it looks at lanes
-- and changes them; nobody else does.
WITH kept AS MATERIALIZED (
    SELECT {any_lane} OR due AS lanes, due
    FROM (SELECT coalesce(({next_waiting}) <= %(now)s, false) AS due) AS next
)
SELECT
    ARRAY(
        SELECT substr(name, 8) FROM {schema}.qml_records
        WHERE name >= 'paused/' AND starts_with(name, 'paused/')
    ),
    lanes,
    CASE WHEN lanes THEN pg_try_advisory_xact_lock(%(space)s, %(lanes_lock)s) ELSE false END,
    due
FROM kept

-- name: lock_lanes
-- Waits for the lock of the lanes. Its holder may wait for a row, or for who ripens: so a transaction
-- that has locked such does not come here.
SELECT pg_advisory_xact_lock(%(space)s, %(lanes_lock)s);

-- name: known_queues
-- Queues with ready rows, from one to the next: not a walk past the rows of any.
WITH RECURSIVE plain (queue) AS (
    (SELECT queue FROM {schema}.qml_jobs AS j WHERE {plain} ORDER BY queue LIMIT 1)
    UNION ALL
    SELECT (
        SELECT j.queue FROM {schema}.qml_jobs AS j WHERE {plain} AND j.queue > plain.queue
        ORDER BY j.queue LIMIT 1
    ) FROM plain WHERE plain.queue IS NOT NULL
), laned (queue) AS (
    (SELECT queue FROM {schema}.qml_lanes WHERE opens_at = 0 ORDER BY queue LIMIT 1)
    UNION ALL
    SELECT (
        SELECT l.queue FROM {schema}.qml_lanes AS l
        WHERE l.opens_at = 0 AND l.queue > laned.queue ORDER BY l.queue LIMIT 1
    ) FROM laned WHERE laned.queue IS NOT NULL
)
SELECT queue FROM plain WHERE queue IS NOT NULL
UNION
SELECT queue FROM laned WHERE queue IS NOT NULL

-- name: tell_lanes
-- Tells lanes of rows that became ready; opens those of which a claim has ended, or whose time has come.
-- Each statement sees what was committed before it began, and so before the lock was had.
WITH news AS (
    DELETE FROM {schema}.qml_news WHERE number = ANY (ARRAY(
        SELECT number FROM {schema}.qml_news ORDER BY number LIMIT 100000
    ))
    RETURNING lane, rank, seq
), best AS (
    SELECT DISTINCT ON (lane) lane, rank, seq FROM news ORDER BY lane, rank, seq
)
INSERT INTO {schema}.qml_lanes AS l (lane, queue, permit, pace, most, rank, seq, opens_at)
SELECT lane, coalesce(parts[1], ''), parts[2], parts[3], parts[4]::bigint, rank, seq, 0
FROM best, LATERAL {schema}.qml_parts(lane) AS parts
ON CONFLICT (lane) DO UPDATE SET rank = excluded.rank, seq = excluded.seq
WHERE (l.rank, l.seq) > (excluded.rank, excluded.seq);
WITH ended AS (
    DELETE FROM {schema}.qml_ends WHERE number = ANY (ARRAY(
        SELECT number FROM {schema}.qml_ends ORDER BY number LIMIT 100000
    ))
    RETURNING permit
)
UPDATE {schema}.qml_lanes SET opens_at = 0
WHERE opens_at > 0 AND permit = ANY (ARRAY(SELECT DISTINCT permit FROM ended));
UPDATE {schema}.qml_lanes SET opens_at = 0 WHERE number = ANY (ARRAY(
    SELECT number FROM {schema}.qml_lanes WHERE opens_at > 0 AND opens_at <= %(now)s
    ORDER BY opens_at LIMIT 1000
));

-- name: open_of_all
-- Not a statement: what "{open}" stands for in a claim of every queue: the next lanes that may be open.
SELECT number FROM {schema}.qml_lanes
WHERE opens_at = 0 AND (rank, seq, number) > (%(rank)s, %(seq)s, %(number)s)
ORDER BY rank, seq, number LIMIT %(lanes)s

-- name: open_of_queues
-- Not a statement: what "{open}" stands for in a claim of some queues.
SELECT head.number FROM unnest(%(queues)s::text[]) AS wanted (queue), LATERAL (
    SELECT l.rank, l.seq, l.number FROM {schema}.qml_lanes AS l
    WHERE l.opens_at = 0 AND l.queue = wanted.queue
        AND (l.rank, l.seq, l.number) > (%(rank)s, %(seq)s, %(number)s)
    ORDER BY l.rank, l.seq, l.number LIMIT %(lanes)s
) AS head ORDER BY head.rank, head.seq, head.number LIMIT %(lanes)s

-- name: open_lanes
-- Each with the leases under its permit, the time of its pace, and the first rows of it that may be
-- taken, which stay as they are until the claim is over. Seldom are more needed than may start.
SELECT
    l.rank, l.seq, l.number, l.lane, l.permit, l.pace, least(%(limit)s + 1, l.most),
    ARRAY({leases} ORDER BY 1),
    (SELECT p.time FROM {schema}.qml_paces AS p WHERE p.pace = l.pace),
    (
        SELECT json_agg(json_build_array(head.priority, head.seq, head.expires_at)) FROM (
            SELECT j.priority, j.seq, j.expires_at FROM {schema}.qml_jobs AS j
            WHERE j.ready AND j.lane = l.lane AND {held_by_no_other}
            ORDER BY j.priority DESC, j.seq LIMIT least(%(limit)s + 1, l.most)
            FOR UPDATE SKIP LOCKED
        ) AS head
    )
FROM {schema}.qml_lanes AS l WHERE l.number = ANY (ARRAY({open}))
ORDER BY l.rank, l.seq, l.number

-- name: leases
-- Not a statement: what "{leases}" stands for: when the live leases under the permit of "l" end. A lapsed
-- claim that is in another's hands just now counts as live: it may be renewed. The others stay as they
-- are until the transaction is over.
SELECT j.lease_until FROM {schema}.qml_jobs AS j
WHERE j.permit = l.permit AND j.lease_until > %(now)s AND j.locked_by IS NULL
UNION ALL
SELECT %(now)s + 1 FROM {schema}.qml_jobs AS j
WHERE j.permit = l.permit AND {lapsed_of_late} AND j.seq <> ALL (ARRAY(
    SELECT j.seq FROM {schema}.qml_jobs AS j
    WHERE j.permit = l.permit AND {lapsed_of_late} FOR UPDATE SKIP LOCKED
))

-- name: live
-- How many claims under a permit are live.
SELECT cardinality(ARRAY({leases}))
FROM unnest(%(permits)s::text[]) AS l (permit)

-- name: lapsed_of_late
-- Not a statement: what "{lapsed_of_late}" stands for: a claim that has lapsed, and not for good.
j.lease_until <= %(now)s AND j.lease_until > %(now)s - %(day)s AND j.locked_by IS NULL

-- name: put_back
-- Claims under permits that others take now have lapsed for good, whatever the clock of a renewal says.
UPDATE {schema}.qml_jobs SET lease_until = greatest(0, lease_until - %(day)s) WHERE seq = ANY (ARRAY(
    SELECT j.seq FROM {schema}.qml_jobs AS j
    WHERE j.permit = ANY (%(permits)s::text[]) AND {lapsed_of_late} FOR UPDATE SKIP LOCKED
));

-- name: rows_of_lane
-- More of one lane.
SELECT j.priority, j.seq, j.expires_at FROM {schema}.qml_jobs AS j
WHERE j.ready AND j.lane = %(lane)s AND j.seq <> ALL (%(seen)s::bigint[]) AND {held_by_no_other}
ORDER BY j.priority DESC, j.seq LIMIT %(limit)s + 1
FOR UPDATE SKIP LOCKED

-- name: plain_rows
-- Those without a lane, which stay as they are until the claim is over.
WITH kept AS (SELECT false AS limited, NULL::bigint AS next_due)
SELECT j.priority, j.seq, j.expires_at FROM {schema}.qml_jobs AS j
WHERE j.seq = ANY (ARRAY({best}))
ORDER BY j.priority DESC, j.seq

-- name: settle_lanes
-- What a claim found: where the best of each lane is after it, and when it may open.
WITH looked AS MATERIALIZED (
    SELECT * FROM unnest(%(looked_at)s::text[], %(opening)s::bigint[]) AS looked (lane, opens_at)
), found AS MATERIALIZED (
    SELECT looked.lane, looked.opens_at, (
        SELECT ARRAY[-j.priority::bigint, j.seq] FROM {schema}.qml_jobs AS j
        WHERE j.ready AND j.lane = looked.lane AND j.seq <> ALL (%(chosen)s::bigint[])
        ORDER BY j.priority DESC, j.seq LIMIT 1
    ) AS best
    FROM looked
), emptied AS (
    DELETE FROM {schema}.qml_lanes AS l USING found
    WHERE l.lane = found.lane AND found.best IS NULL
)
UPDATE {schema}.qml_lanes AS l SET
    rank = found.best[1], seq = found.best[2], opens_at = found.opens_at
FROM found WHERE l.lane = found.lane AND found.best IS NOT NULL
    AND (l.rank, l.seq, l.opens_at) IS DISTINCT FROM (found.best[1], found.best[2], found.opens_at);

-- name: start_paces
-- Their new times; of those that are over, some are forgotten, more than are written.
INSERT INTO {schema}.qml_paces (pace, time)
SELECT * FROM unnest(%(paces)s::text[], %(times)s::bigint[])
ON CONFLICT (pace) DO UPDATE SET time = excluded.time;
DELETE FROM {schema}.qml_paces WHERE pace = ANY (ARRAY(
    SELECT pace FROM {schema}.qml_paces WHERE time <= %(now)s
    ORDER BY time LIMIT 10 + 2 * cardinality(%(paces)s::text[])
));

-- name: best_of_chosen
-- Not a statement: what "{best}" stands for in a claim that has chosen, in its order.
SELECT seq FROM unnest(%(chosen)s::bigint[]) WITH ORDINALITY AS chosen (seq, rank) ORDER BY rank

-- name: next_due_of_chosen
-- Not a statement: what "{next_due}" stands for in such a claim.
least(({next_waiting}), ({next_opening}))

-- name: used
SELECT
    ARRAY(
        SELECT (
            SELECT count(*) FROM {schema}.qml_jobs AS j
            WHERE j.permit = wanted.permit AND j.lease_until > %(now)s AND j.locked_by IS NULL
        ) FROM unnest(%(permits)s::text[]) WITH ORDINALITY AS wanted (permit, place) ORDER BY place
    ),
    ARRAY(
        SELECT coalesce((
            SELECT p.time FROM {schema}.qml_paces AS p WHERE p.pace = wanted.pace
        ), 0) FROM unnest(%(paces)s::text[]) WITH ORDINALITY AS wanted (pace, place) ORDER BY place
    )
