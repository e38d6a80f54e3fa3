-- Grain: one row per (query_id, item_id) clicked on the days that are judged. Input: click_counts, items, queries.
-- reason: why a judgement is dropped; NULL for the qrels themselves.
WITH graded AS (
  SELECT
    c.query_id,
    c.item_id,
    SUM(c.clicks) AS judgements,
    SUM(c.carts) AS carts,
    SUM(c.purchases) AS purchases
  FROM click_counts AS c
  WHERE c.day >= CAST(:first_day AS DATE)
  GROUP BY c.query_id, c.item_id
)

SELECT
  g.query_id,
  g.item_id,
  -- a cart is stronger evidence than a click, a purchase is the strongest
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
