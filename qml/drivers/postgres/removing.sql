-- How a schema goes, by name.

-- name: drop_schema
DROP SCHEMA IF EXISTS {schema} CASCADE
