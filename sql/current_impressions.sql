-- Grain: one row per (search_id, item_id), corrected by late events. Input: impression_versions.
-- impression_versions: rows of impressions and late_impressions, with the day of the log that brought each (arrived).
WITH ranked AS (
  SELECT
    v.search_id,
    v.query_id,
    v.query,
    v.session_id,
    v.client_id,
    -- each search column: v.?,
    v.item_id,
    v.position,
    v.is_click,
    v.is_cart,
    v.is_purchase,
    v.searched_at,
    v.day,
    ROW_NUMBER() OVER (PARTITION BY v.search_id, v.item_id ORDER BY v.arrived DESC) AS newest_first
  FROM impression_versions AS v
)

SELECT
  r.search_id,
  r.query_id,
  r.query,
  r.session_id,
  r.client_id,
  -- each search column: r.?,
  r.item_id,
  r.position,
  r.is_click,
  r.is_cart,
  r.is_purchase,
  r.searched_at,
  r.day
FROM ranked AS r
WHERE r.newest_first = 1
