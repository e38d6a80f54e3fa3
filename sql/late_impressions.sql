-- Grain: one row per (search_id, item_id) of an earlier day that the day's log changes: the corrected row.
-- Input: filtered_searches, search_items, earlier_impressions.
-- earlier_impressions: the current rows of earlier days, for the searches that the log mentions.
-- reason: why a row changes nothing; NULL for the late impressions themselves.
WITH known AS (
  SELECT
    e.search_id,
    MIN(e.day) AS day,
    MIN(e.query_id) AS query_id,
    MIN(e.query) AS query,
    MIN(e.session_id) AS session_id,
    MIN(e.client_id) AS client_id,
    -- each search column: MIN(e.?) AS ?,
    MIN(e.searched_at) AS searched_at
  FROM earlier_impressions AS e
  GROUP BY e.search_id
),

late_searches AS (
  -- searches of earlier days, and events whose search is not in today's log
  SELECT
    f.search_id,
    k.search_id IS NULL AS is_new_search,
    COALESCE(k.day, f.day) AS day,
    COALESCE(k.query_id, f.query_id) AS query_id,
    COALESCE(k.query, f.query) AS query,
    COALESCE(k.session_id, f.session_id) AS session_id,
    COALESCE(k.client_id, f.client_id) AS client_id,
    -- each search column: COALESCE(k.?, f.?) AS ?,
    COALESCE(k.searched_at, f.searched_at) AS searched_at,
    CASE WHEN k.search_id IS NULL AND f.reason != 'earlier_day' THEN f.reason END AS reason
  FROM filtered_searches AS f
  LEFT JOIN known AS k ON f.search_id = k.search_id
  WHERE f.reason = 'no_search' OR f.day < CAST(:ds AS DATE)
)

SELECT
  s.search_id,
  s.query_id,
  s.query,
  s.session_id,
  s.client_id,
  -- each search column: s.?,
  i.item_id,
  s.searched_at,
  s.day,
  s.is_new_search,
  e.item_id IS NULL AS is_new,
  COALESCE(e.position, i.position) AS position,
  i.is_click OR COALESCE(e.is_click, FALSE) AS is_click,
  i.is_cart OR COALESCE(e.is_cart, FALSE) AS is_cart,
  i.is_purchase OR COALESCE(e.is_purchase, FALSE) AS is_purchase,
  i.lines,
  CASE
    WHEN s.reason IS NOT NULL THEN s.reason
    WHEN COALESCE(e.position, i.position) IS NULL THEN 'no_position'
    WHEN
      e.item_id IS NOT NULL
      AND (e.is_click OR NOT i.is_click)
      AND (e.is_cart OR NOT i.is_cart)
      AND (e.is_purchase OR NOT i.is_purchase)
      THEN 'said_before'
  END AS reason
FROM late_searches AS s
INNER JOIN search_items AS i ON s.search_id = i.search_id
LEFT JOIN earlier_impressions AS e ON s.search_id = e.search_id AND i.item_id = e.item_id
