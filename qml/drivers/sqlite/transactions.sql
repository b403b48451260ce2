-- What takes part in others' transactions, and a task's own. Read by transactions.py.

-- name: savepoint
SAVEPOINT qml_step

-- name: back
ROLLBACK TO qml_step

-- name: release
RELEASE qml_step

-- name: mark
-- Gone once the transaction is: so that one which a task has ended itself is noticed.
SAVEPOINT qml_task

-- name: unmark
RELEASE qml_task

-- name: files
PRAGMA database_list

-- name: refuse_writes
PRAGMA query_only = ON
