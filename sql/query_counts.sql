-- Grain: one row per (day, query_id) searched. Input: new_searches.
-- new_searches: search_id, query_id, query and day of each search that its day did not have before.
SELECT
  s.day,
  s.query_id,
  MIN(s.query) AS query,
  CAST(COUNT(DISTINCT s.search_id) AS INT) AS searches
FROM new_searches AS s
GROUP BY s.day, s.query_id
