-- Grain: one row per (search_id, item_id) shown, at the first of its positions. Input: filtered_searches, search_items.
-- reason: why a row is dropped; NULL for the impressions themselves.
SELECT
  f.search_id,
  f.query_id,
  f.query,
  f.session_id,
  f.client_id,
  -- each search column: f.?,
  i.item_id,
  i.position,
  i.is_shown,
  i.is_click,
  i.is_cart,
  i.is_purchase,
  f.searched_at,
  i.lines,
  i.duplicates,
  CASE WHEN i.position IS NULL THEN 'no_position' END AS reason
FROM filtered_searches AS f
INNER JOIN search_items AS i ON f.search_id = i.search_id
WHERE f.reason IS NULL
