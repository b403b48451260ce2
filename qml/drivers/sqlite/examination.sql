-- What only an examination asks: see statements.sql for the rest.

-- name: journal_mode
PRAGMA journal_mode

-- name: page_size
PRAGMA page_size

-- name: pages
PRAGMA page_count

-- name: free_pages
PRAGMA freelist_count

-- name: quick_check
-- Reads the whole file. One row "ok", or what is wrong, at most so many times.
PRAGMA quick_check(3)
