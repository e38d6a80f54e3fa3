-- Grain: one row per (query_id, item_id) clicked on the judged days. Input: impressions, items
-- and queries. reason says why a judgement is not kept: NULL for the qrels themselves.
WITH graded AS (
  SELECT
    i.query_id,
    i.item_id,
    -- what a click says, a cart says louder, and a purchase loudest
    MAX(CASE WHEN i.is_purchase THEN 3 WHEN i.is_cart THEN 2 ELSE 1 END) AS relevance,
    COUNT(*) AS judgements,
    0 AS unreadable
  FROM impressions AS i
  WHERE i.is_click OR i.is_cart OR i.is_purchase
  GROUP BY i.query_id, i.item_id
)

SELECT
  g.query_id,
  g.item_id,
  CAST(g.relevance AS DOUBLE) AS relevance,
  q.split,
  'clicks' AS source,
  g.judgements,
  g.unreadable,
  CASE
    WHEN t.item_id IS NULL THEN 'item_ended'
    WHEN q.query_id IS NULL THEN 'query_unknown'
  END AS reason
FROM graded AS g
LEFT JOIN items AS t ON g.item_id = t.item_id
LEFT JOIN queries AS q ON g.query_id = q.query_id
