-- Grain: one row per query_key typed by enough people within the window. Input: query_users (of all
-- its days).
SELECT s.query_key
FROM query_users AS s
GROUP BY s.query_key
HAVING COUNT(DISTINCT s.searcher_key) >= :min_searchers
