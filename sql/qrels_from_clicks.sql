-- Grain: one row per (query_id, item_id) clicked on the judged days. Input: click_counts, items, queries.
-- reason says why a judgement is not kept: NULL for the qrels themselves.
WITH graded AS (
  SELECT
    a.query_id,
    a.item_id,
    SUM(a.clicks) AS judgements,
    SUM(a.carts) AS carts,
    SUM(a.purchases) AS purchases
  FROM click_counts AS a
  WHERE a.day >= CAST(:first_day AS DATE)
  GROUP BY a.query_id, a.item_id
)

SELECT
  g.query_id,
  g.item_id,
  -- what a click says, a cart says louder, and a purchase loudest
  CAST(CASE WHEN g.purchases > 0 THEN 3 WHEN g.carts > 0 THEN 2 ELSE 1 END AS DOUBLE) AS relevance,
  q.split,
  'clicks' AS source,
  g.judgements,
  0 AS unreadable,
  CASE
    WHEN t.item_id IS NULL THEN 'item_ended'
    WHEN q.query_id IS NULL THEN 'query_unknown'
  END AS reason
FROM graded AS g
LEFT JOIN items AS t ON g.item_id = t.item_id
LEFT JOIN queries AS q ON g.query_id = q.query_id
WHERE g.judgements > 0
