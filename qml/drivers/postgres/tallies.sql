-- Tallies, and rows that wait for others. Read with statements.sql; what counts stands in schema.sql.

-- name: lock_parents
-- As they are now and stay, in the order of "locked".
SELECT id, state, finished_at FROM {schema}.qml_jobs WHERE id = ANY (%(parents)s::text[])
ORDER BY id FOR UPDATE

-- name: lock_tallies
-- In the order in which ends add to them: those wait for this insert, or are seen by it.
SELECT name FROM {schema}.qml_tallies WHERE name = ANY (%(tallies)s::text[])
ORDER BY name FOR UPDATE

-- name: attach
-- Has rows count for more tallies: a JSON list of names for each. No other column: who has read the row
-- before may still change it.
UPDATE {schema}.qml_jobs AS j SET counts = (
    SELECT json_agg(name ORDER BY origin, place)::text FROM (
        SELECT 0 AS origin, c.place, c.name
        FROM {schema}.qml_names(j.counts) WITH ORDINALITY AS c (name, place)
        UNION ALL
        SELECT 1, c.place, c.name
        FROM json_array_elements_text(more.names::json) WITH ORDINALITY AS c (name, place)
    ) AS names
)
FROM unnest(%(id)s::text[], %(names)s::text[]) AS more (id, names)
WHERE j.id = more.id;
INSERT INTO {schema}.qml_tallies AS t (name, remaining, open, failed)
SELECT name, remaining, false, failed
FROM unnest(%(tallies)s::text[], %(remaining)s::bigint[], %(failed)s::bigint[])
    AS made (name, remaining, failed)
ON CONFLICT (name) DO UPDATE SET
    remaining = t.remaining + excluded.remaining, open = false, failed = t.failed + excluded.failed

-- name: tell_tally
-- Added up at once, and not with the commit, so that the answer tells of it.
INSERT INTO {schema}.qml_ticks (name, makes, opens, fails)
VALUES (%(name)s, coalesce(%(more)s, false), %(more)s, %(failed)s);
SET CONSTRAINTS {schema}.qml_count IMMEDIATE;

-- name: tally
SELECT remaining, open, failed FROM {schema}.qml_tallies WHERE name = %(name)s
