-- Grain: one row per query_id searched or labelled. Input: query_counts, label_queries.
WITH searched AS (
  SELECT
    c.query_id,
    MIN(c.query) AS query,
    SUM(c.searches) AS searches
  FROM query_counts AS c
  WHERE c.day >= CAST(:first_day AS DATE)
  GROUP BY c.query_id
),

labelled AS (
  -- a query that labels put in two splits goes to the stricter one: test, then dev
  SELECT
    l.query_id,
    MIN(l.query) AS query,
    CASE
      WHEN MAX(CASE WHEN l.split = 'test' THEN 1 ELSE 0 END) = 1 THEN 'test'
      WHEN MAX(CASE WHEN l.split = 'dev' THEN 1 ELSE 0 END) = 1 THEN 'dev'
      WHEN MAX(CASE WHEN l.split = 'train' THEN 1 ELSE 0 END) = 1 THEN 'train'
    END AS split
  FROM label_queries AS l
  WHERE l.query != ''
  GROUP BY l.query_id
),

known AS (
  SELECT
    COALESCE(s.query_id, l.query_id) AS query_id,
    COALESCE(s.query, l.query) AS query,
    COALESCE(s.searches, 0) AS searches,
    COALESCE(l.split, SPLIT_OF(COALESCE(s.query_id, l.query_id))) AS split
  FROM searched AS s
  FULL OUTER JOIN labelled AS l ON s.query_id = l.query_id
),

-- equally frequent queries form one step of the curve, so ties are never broken at random
steps AS (
  SELECT
    k.searches,
    COUNT(*) * k.searches AS step_searches
  FROM known AS k
  WHERE k.searches > 0
  GROUP BY k.searches
),

curve AS (
  SELECT
    t.searches,
    SUM(t.step_searches) OVER (ORDER BY t.searches DESC) - t.step_searches AS searches_above,
    SUM(t.step_searches) OVER () AS all_searches
  FROM steps AS t
),

segments AS (
  SELECT
    c.searches,
    CASE
      -- a query that was searched once is tail, however flat the curve is
      WHEN c.searches = 1 OR c.searches_above >= :torso_frac * c.all_searches THEN 'tail'
      WHEN c.searches_above >= :head_frac * c.all_searches THEN 'torso'
      ELSE 'head'
    END AS segment
  FROM curve AS c
)

SELECT
  k.query_id,
  k.query,
  k.searches,
  COALESCE(s.segment, 'unseen') AS segment,
  k.split
FROM known AS k
LEFT JOIN segments AS s ON k.searches = s.searches
