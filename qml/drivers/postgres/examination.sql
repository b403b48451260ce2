-- What an examination asks, by name. None of it takes a right that its user may lack: what others do
-- comes back as NULL then.

-- name: facts
SELECT
    current_setting('server_version'),
    current_setting('server_version_num')::int,
    current_setting('fsync'),
    current_setting('full_page_writes'),
    current_setting('synchronous_commit'),
    pg_is_in_recovery() OR current_setting('transaction_read_only') = 'on',
    current_setting('max_connections')::int
        - current_setting('superuser_reserved_connections')::int
        - coalesce(current_setting('reserved_connections', true)::int, 0),
    (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'),
    current_setting('autovacuum') = 'on',
    (
        SELECT extract(epoch FROM clock_timestamp() - min(xact_start))::float8
        FROM pg_stat_activity
        WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()
    )

-- name: table_facts
SELECT
    coalesce(pg_stat_get_live_tuples(c.oid), 0),
    coalesce(pg_stat_get_dead_tuples(c.oid), 0),
    coalesce('autovacuum_enabled=false' = ANY (c.reloptions), false)
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname = %(schema)s AND c.relname = 'qml_jobs'
