-- Grain: one row per (query_key, searcher_key) of the day, so many of a query as it takes to be
-- common. Input: visits.
WITH typed AS (
  SELECT DISTINCT
    v.query_key,
    v.searcher_key
  FROM visits AS v
  WHERE v.reason IS NULL
),

counted AS (
  SELECT
    t.query_key,
    t.searcher_key,
    ROW_NUMBER() OVER (PARTITION BY t.query_key ORDER BY t.searcher_key ASC) AS place
  FROM typed AS t
)

SELECT
  c.query_key,
  c.searcher_key
FROM counted AS c
WHERE c.place <= :min_searchers
