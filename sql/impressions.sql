-- Grain: one row per (search_id, item_id) shown, at the first of its positions. Input: searches.
SELECT
  s.search_id,
  SHA1(s.query) AS query_id,
  s.query,
  s.session_id,
  s.client_id,
  i.item_id,
  i.position,
  i.is_click,
  i.is_cart,
  i.is_purchase,
  s.searched_at
FROM searches AS s
  LATERAL VIEW EXPLODE(s.shown) AS i
WHERE s.reason IS NULL
