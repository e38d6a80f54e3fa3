-- Grain: one row per used line of the log, in the form of log_lines. Input: log_lines, impression_versions.
-- A late event of a search_id that separate_searches shared out on an earlier day gets the id of its own search.
-- impression_versions: the rows of earlier days.
WITH earlier AS (
  SELECT
    v.search_id,
    REGEXP_REPLACE(v.search_id, '//[0-9]+$', '') AS shared_id,
    MIN(v.client_id) AS client_id,
    MIN(v.searched_at) AS searched_at
  FROM impression_versions AS v
  GROUP BY v.search_id
),

shared AS (
  SELECT e.shared_id
  FROM earlier AS e
  WHERE e.search_id != e.shared_id
  GROUP BY e.shared_id
),

today AS (
  SELECT l.search_id
  FROM log_lines AS l
  WHERE l.reason IS NULL AND l.action = 'search'
  GROUP BY l.search_id
),

events AS (
  -- an id that this log uses again belongs to its own day
  SELECT
    l.search_id,
    l.client_id,
    l.occurred_at,
    SHA2(CONCAT(:salt, l.client_id), 256) AS person
  FROM log_lines AS l
  INNER JOIN shared AS s ON l.search_id = s.shared_id
  LEFT JOIN today AS t ON l.search_id = t.search_id
  WHERE l.reason IS NULL AND t.search_id IS NULL
  GROUP BY l.search_id, l.client_id, l.occurred_at
),

choices AS (
  -- the rule of separate_searches: its own client's latest search before it, else anybody's
  SELECT
    v.search_id,
    v.client_id,
    v.occurred_at,
    e.search_id AS own_id,
    ROW_NUMBER() OVER (
      PARTITION BY v.search_id, v.client_id, v.occurred_at
      ORDER BY
        COALESCE(e.client_id = v.person, FALSE) DESC,
        e.searched_at <= v.occurred_at DESC,
        CASE WHEN e.searched_at <= v.occurred_at THEN e.searched_at END DESC,
        e.searched_at ASC,
        e.search_id ASC
    ) AS choice
  FROM events AS v
  INNER JOIN earlier AS e ON v.search_id = e.shared_id
)

SELECT
  l.counted,
  l.page,
  l.application,
  l.action,
  l.item_id,
  l.client_id,
  l.session_id,
  -- each search column: l.?,
  l.user_query,
  l.placement,
  l.hit_ids,
  l.occurred_at,
  l.ordinal,
  l.reason,
  COALESCE(c.own_id, l.search_id) AS search_id
FROM log_lines AS l
LEFT JOIN choices AS c
  ON
    l.search_id = c.search_id AND l.client_id IS NOT DISTINCT FROM c.client_id AND l.occurred_at = c.occurred_at
    AND c.choice = 1
WHERE l.reason IS NULL
