-- Grain: one row per (search_id, item_id) shown, at the first of its positions. Input: admitted,
-- placed. reason says why an act is not kept: NULL for the impressions themselves.
SELECT
  a.search_id,
  a.query_id,
  a.query,
  a.session_id,
  a.client_id,
  p.item_id,
  p.position,
  p.is_click,
  p.is_cart,
  p.is_purchase,
  a.searched_at,
  p.lines,
  p.duplicates,
  CASE WHEN p.position IS NULL THEN 'no_position' END AS reason
FROM admitted AS a
INNER JOIN placed AS p ON a.search_id = p.search_id
WHERE a.reason IS NULL
