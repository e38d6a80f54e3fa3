-- Grain: one row per (session_id, place), the items of a session in order. Input: session_events, held_out.
WITH events AS (
  SELECT
    e.session_id,
    e.client_id,
    e.item_id,
    e.occurred_at,
    e.ordinal,
    e.day,
    MAX(CASE WHEN e.action = 'purchase' THEN 1 ELSE 0 END) OVER (PARTITION BY e.session_id, e.item_id) AS bought,
    -- what our own carousels led to says as much of the carousel as of the person
    CASE WHEN e.placement = 'recommendation' THEN :recommendation_weight ELSE 1.0 END AS weight
  FROM session_events AS e
  -- sessions that judge must not teach
  LEFT JOIN held_out AS h ON e.session_id = h.session_id
  WHERE h.session_id IS NULL AND (e.placement != 'recommendation' OR :recommendation_weight > 0)
),

followed AS (
  SELECT
    e.session_id,
    e.client_id,
    e.bought,
    e.item_id,
    e.occurred_at,
    e.ordinal,
    e.day,
    e.weight,
    LAG(e.item_id) OVER (PARTITION BY e.session_id ORDER BY e.occurred_at, e.ordinal) AS item_before
  FROM events AS e
),

placed AS (
  SELECT
    f.session_id,
    f.client_id,
    f.bought,
    f.item_id,
    f.weight,
    MAX(f.day) OVER (PARTITION BY f.session_id) AS day,
    ROW_NUMBER() OVER (PARTITION BY f.session_id ORDER BY f.occurred_at, f.ordinal) AS place,
    COUNT(*) OVER (PARTITION BY f.session_id) AS n_items
  FROM followed AS f
  -- a view, a cart and a purchase of one item in a row are one visit to it
  WHERE f.item_before IS NULL OR f.item_before != f.item_id
)

SELECT
  p.session_id,
  p.client_id,
  CAST(p.place - GREATEST(p.n_items - :max_items, 0) AS INT) AS place,
  p.item_id,
  CAST(p.weight AS FLOAT) AS weight,
  p.bought = 1 AS bought,
  CAST(LEAST(p.n_items, :max_items) AS INT) AS n_items,
  p.day
FROM placed AS p
-- the last items of a long session: what it ended with, at a bounded cost
WHERE p.place > p.n_items - :max_items
