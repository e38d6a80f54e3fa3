-- Grain: one row per (session_id, place), the items of a session in order. Input: session_events.
WITH events AS (
  SELECT
    e.session_id,
    -- an event without a client is a voice of its own session
    COALESCE(e.client_id, e.session_id) AS voice,
    e.item_id,
    e.occurred_at,
    e.ordinal,
    e.day,
    -- what our own carousels led to says as much of the carousel as of the person
    CASE WHEN e.placement = 'recommendation' THEN :recommendation_weight ELSE 1.0 END AS weight
  FROM session_events AS e
  WHERE e.placement != 'recommendation' OR :recommendation_weight > 0
),

followed AS (
  SELECT
    e.session_id,
    e.voice,
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
    f.voice,
    f.item_id,
    f.weight,
    MAX(f.day) OVER (PARTITION BY f.session_id) AS day,
    ROW_NUMBER() OVER (PARTITION BY f.session_id ORDER BY f.occurred_at, f.ordinal) AS place,
    COUNT(*) OVER (PARTITION BY f.session_id) AS items
  FROM followed AS f
  -- a view, a cart and a purchase of one item in a row are one visit to it
  WHERE f.item_before IS NULL OR f.item_before != f.item_id
)

SELECT
  p.session_id,
  p.voice,
  CAST(p.place - GREATEST(p.items - :max_items, 0) AS INT) AS place,
  p.item_id,
  p.weight,
  CAST(LEAST(p.items, :max_items) AS INT) AS items,
  p.day
FROM placed AS p
-- the last items of a long session: what it ended with, at a bounded cost
WHERE p.place > p.items - :max_items
