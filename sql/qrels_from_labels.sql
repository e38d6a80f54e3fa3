-- Grain: one row per (query_id, item_id) labelled. Input: label_rows, items, queries.
-- reason: why a judgement is dropped; NULL for the qrels themselves.
WITH readable AS (
  SELECT
    l.query_id,
    l.item_id,
    -- NULL for NaN and infinity
    CASE
      WHEN l.relevance BETWEEN -1000000 AND 1000000
        THEN CAST(ROUND(l.relevance * 1000000) AS BIGINT)
    END AS relevance_e6
  FROM label_rows AS l
),

graded AS (
  -- the mean over spellings of one query, in whole millionths: a sum of floats would depend on row order
  SELECT
    r.query_id,
    r.item_id,
    ROUND(SUM(r.relevance_e6) / NULLIF(COUNT(r.relevance_e6), 0)) AS relevance_e6,
    COUNT(r.relevance_e6) AS judgements,
    COUNT(*) - COUNT(r.relevance_e6) AS unreadable
  FROM readable AS r
  GROUP BY r.query_id, r.item_id
)

SELECT
  g.query_id,
  g.item_id,
  CAST(g.relevance_e6 / 1000000 AS DOUBLE) AS relevance,
  q.split,
  'labels' AS source,
  g.judgements,
  g.unreadable,
  CASE
    WHEN g.relevance_e6 IS NULL THEN 'no_relevance'
    WHEN t.item_id IS NULL THEN 'item_ended'
    WHEN q.query_id IS NULL THEN 'query_unknown'
  END AS reason
FROM graded AS g
LEFT JOIN items AS t ON g.item_id = t.item_id
LEFT JOIN queries AS q ON g.query_id = q.query_id
