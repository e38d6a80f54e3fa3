-- Grain: one row per (day, query_id) searched. Input: asked_searches (search_id, query_id, query
-- and day of each search that is new to its day).
SELECT
  s.day,
  s.query_id,
  MIN(s.query) AS query,
  CAST(COUNT(DISTINCT s.search_id) AS INT) AS searches
FROM asked_searches AS s
GROUP BY s.day, s.query_id
