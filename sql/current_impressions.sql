-- Grain: one row per (search_id, item_id) as its day stands after what arrived late. Input:
-- arrivals (rows of impressions and of late, each with the day of the log that brought it).
WITH ranked AS (
  SELECT
    a.search_id,
    a.query_id,
    a.query,
    a.session_id,
    a.client_id,
    a.item_id,
    a.position,
    a.is_click,
    a.is_cart,
    a.is_purchase,
    a.searched_at,
    a.day,
    ROW_NUMBER() OVER (PARTITION BY a.search_id, a.item_id ORDER BY a.arrived DESC) AS age
  FROM arrivals AS a
)

SELECT
  r.search_id,
  r.query_id,
  r.query,
  r.session_id,
  r.client_id,
  r.item_id,
  r.position,
  r.is_click,
  r.is_cart,
  r.is_purchase,
  r.searched_at,
  r.day
FROM ranked AS r
WHERE r.age = 1
