-- Grain: one row per (query_key, searcher_key) of the day, at most min_searchers rows per query. Input: bot_flags.
WITH searchers AS (
  SELECT DISTINCT
    b.query_key,
    b.searcher_key
  FROM bot_flags AS b
  WHERE b.reason IS NULL
),

ranked AS (
  SELECT
    s.query_key,
    s.searcher_key,
    ROW_NUMBER() OVER (PARTITION BY s.query_key ORDER BY s.searcher_key ASC) AS searcher_number
  FROM searchers AS s
)

SELECT
  r.query_key,
  r.searcher_key
FROM ranked AS r
WHERE r.searcher_number <= :min_searchers
