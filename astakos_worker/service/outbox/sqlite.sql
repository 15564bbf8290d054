-- Each statement begins with its name. Parameters are written %s. {these} are other parts of this
-- file, or lists of parameters. One process sends at a time, so there are no locks.

-- name: table
CREATE TABLE IF NOT EXISTS astakos_outbox (
    id integer NOT NULL PRIMARY KEY AUTOINCREMENT,
    schema smallint NOT NULL,
    kind varchar(16) NOT NULL,
    service varchar(32) NOT NULL,
    key varchar(200) NOT NULL,
    holder varchar(300) NOT NULL,
    incarnation varchar(8) NOT NULL,
    arguments text NOT NULL,
    created datetime NOT NULL DEFAULT (strftime('%Y-%m-%d %H:%M:%f', 'now')),
    error text NULL
);
CREATE INDEX IF NOT EXISTS astakos_outbox_waiting
    ON astakos_outbox (service, holder, id) WHERE error IS NULL;
CREATE INDEX IF NOT EXISTS astakos_outbox_keys ON astakos_outbox (service, key, id);
CREATE INDEX IF NOT EXISTS astakos_outbox_failed
    ON astakos_outbox (service, key, id) WHERE error IS NOT NULL;

-- name: age
(julianday('now') - julianday(created)) * 86400.0

-- name: now
strftime('%%Y-%%m-%%d %%H:%%M:%%f', 'now')

-- name: ready
-- A failed row blocks the newer rows of its key, and nothing else.
SELECT * FROM astakos_outbox AS waiting
WHERE error IS NULL AND NOT EXISTS (
    SELECT 1 FROM astakos_outbox AS failed
    WHERE failed.error IS NOT NULL AND failed.service = waiting.service
        AND failed.key = waiting.key AND failed.id < waiting.id)

-- name: first
-- The projects with the oldest rows. A row of several projects waits for the older ones of its
-- service, and the newer ones wait for it. So they do for a decision whose project is not known
-- yet: its holder is ''.
SELECT service, holder, below FROM (
    SELECT service, holder, id,
        CASE holder WHEN 'several' THEN several ELSE ordinary END AS below
    FROM (SELECT service, holder, min(id) AS id FROM ({ready}) GROUP BY service, holder)
    JOIN (
        SELECT service, min(CASE WHEN holder IN ('', 'several') THEN id END) AS ordinary,
            min(CASE WHEN holder <> 'several' THEN id END) AS several
        FROM ({ready}) GROUP BY service) USING (service))
WHERE holder <> '' AND id < coalesce(below, id + 1) AND (service = %s OR %s)
ORDER BY id LIMIT %s

-- name: rows
SELECT id, schema, kind, service, key, holder, incarnation, arguments, {age}
FROM ({ready}) WHERE service = %s AND holder = %s AND id < coalesce(%s, id + 1)
ORDER BY id LIMIT %s

-- name: fail
UPDATE astakos_outbox SET error = %s WHERE id = %s

-- name: delete
DELETE FROM astakos_outbox WHERE id IN ({list})

-- name: unrouted
SELECT id, service, key FROM astakos_outbox
WHERE holder = '' AND error IS NULL ORDER BY id LIMIT %s

-- name: route
UPDATE astakos_outbox SET holder = %s WHERE holder = '' AND id IN ({list})

-- name: failed
SELECT service, count(*) FROM astakos_outbox WHERE error IS NOT NULL GROUP BY service

-- name: waiting
SELECT count(*), coalesce(max({age}), 0.0) FROM ({ready})

-- name: list
SELECT id, service, kind, key, holder, {age}, error
FROM astakos_outbox WHERE error IS NOT NULL OR %s ORDER BY id LIMIT %s

-- name: retry
UPDATE astakos_outbox SET error = NULL, created = {now}
WHERE error IS NOT NULL AND id IN ({list}) RETURNING id

-- name: drop
DELETE FROM astakos_outbox WHERE error IS NOT NULL AND id IN ({list}) RETURNING id
