-- Grain: one row per (search_id, item_id) that the day's log adds to an earlier day, as it stands
-- from now on; reason says why a line adds nothing. Input: admitted, placed, earlier (what those
-- days say so far of the searches that the log names).
WITH known AS (
  SELECT
    e.search_id,
    MIN(e.day) AS day,
    MIN(e.query_id) AS query_id,
    MIN(e.query) AS query,
    MIN(e.session_id) AS session_id,
    MIN(e.client_id) AS client_id,
    MIN(e.searched_at) AS searched_at
  FROM earlier AS e
  GROUP BY e.search_id
),

waiting AS (
  -- searches of earlier days, and events whose search is not in this log
  SELECT
    a.search_id,
    k.search_id IS NULL AS is_new_search,
    COALESCE(k.day, a.day) AS day,
    COALESCE(k.query_id, a.query_id) AS query_id,
    COALESCE(k.query, a.query) AS query,
    COALESCE(k.session_id, a.session_id) AS session_id,
    COALESCE(k.client_id, a.client_id) AS client_id,
    COALESCE(k.searched_at, a.searched_at) AS searched_at,
    CASE WHEN k.search_id IS NULL AND a.reason != 'earlier_day' THEN a.reason END AS reason
  FROM admitted AS a
  LEFT JOIN known AS k ON a.search_id = k.search_id
  WHERE a.reason = 'no_search' OR a.day < CAST(:ds AS DATE)
)

SELECT
  w.search_id,
  w.query_id,
  w.query,
  w.session_id,
  w.client_id,
  p.item_id,
  w.searched_at,
  w.day,
  w.is_new_search,
  e.item_id IS NULL AS is_new,
  COALESCE(e.position, p.position) AS position,
  p.is_click OR COALESCE(e.is_click, FALSE) AS is_click,
  p.is_cart OR COALESCE(e.is_cart, FALSE) AS is_cart,
  p.is_purchase OR COALESCE(e.is_purchase, FALSE) AS is_purchase,
  p.lines,
  CASE
    WHEN w.reason IS NOT NULL THEN w.reason
    WHEN COALESCE(e.position, p.position) IS NULL THEN 'no_position'
    WHEN
      e.item_id IS NOT NULL
      AND (e.is_click OR NOT p.is_click)
      AND (e.is_cart OR NOT p.is_cart)
      AND (e.is_purchase OR NOT p.is_purchase)
      THEN 'said_before'
  END AS reason
FROM waiting AS w
INNER JOIN placed AS p ON w.search_id = p.search_id
LEFT JOIN earlier AS e ON w.search_id = e.search_id AND p.item_id = e.item_id
