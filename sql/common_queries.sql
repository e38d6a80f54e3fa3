-- Grain: one row per query_key typed by enough people within the window. Input: searchers (of all
-- its days).
SELECT s.query_key
FROM searchers AS s
GROUP BY s.query_key
HAVING COUNT(DISTINCT s.searcher_key) >= :min_searchers
