-- Grain: one row per query_key that enough people typed within the window. Input: query_useru.
-- query_users: the rows of all days of the window.
SELECT u.query_key
FROM query_users AS u
GROUP BY u.query_key
HAVING COUNT(DISTINCT u.searcher_key) >= :min_searchers
