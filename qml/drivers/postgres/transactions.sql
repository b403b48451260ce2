-- What takes part in others' transactions, and in a task's own. Read with statements.sql.

-- name: step
-- Before a statement: what it is refused leaves the transaction around it as it was.
SAVEPOINT qml_step;

-- name: step_back
ROLLBACK TO SAVEPOINT qml_step; RELEASE SAVEPOINT qml_step

-- name: step_done
RELEASE SAVEPOINT qml_step

-- name: mark
-- Gone once the transaction is: so that one which a task has ended itself is noticed.
SAVEPOINT qml_task

-- name: unmark
RELEASE SAVEPOINT qml_task

-- name: whereabouts
-- The same for two sessions if and only if they see the same table: the server by when it was
-- started, the database, the table.
SELECT
    extract(epoch FROM pg_postmaster_start_time())::text,
    (SELECT oid::bigint FROM pg_database WHERE datname = current_database()),
    (
        SELECT c.oid::bigint FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
        WHERE n.nspname = %(schema)s AND c.relname = 'qml_jobs'
    )

-- name: place
-- For people.
SELECT current_database(), host(inet_server_addr()), inet_server_port()

-- name: forget_all
-- Whatever a task has set, prepared, locked or made for its session only.
DISCARD ALL
