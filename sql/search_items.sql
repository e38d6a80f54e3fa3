-- Grain: one row per (search_id, item_id) shown or acted on, and where it stood. Input: log_lines,
-- searches.
WITH answers AS (
  -- the engine's answer stands in for impressions where a search has none
  SELECT
    s.search_id,
    EXPLODE(s.hit_ids) AS item_id
  FROM searches AS s
  WHERE s.impressions = 0 AND SIZE(s.hit_ids) > 0
),

said AS (
  SELECT
    l.search_id,
    l.item_id,
    -- UBI does not say where ordinals start: an application that ever sends a 0 counts from 0
    l.ordinal + CASE WHEN ARRAY_CONTAINS(:zero_based, l.application) THEN 1 ELSE 0 END AS ordinal,
    l.action,
    1 AS is_event
  FROM log_lines AS l
  WHERE l.reason IS NULL AND l.action != 'search'
  UNION ALL
  SELECT
    a.search_id,
    a.item_id,
    CAST(NULL AS INT) AS ordinal,
    'answer' AS action,
    0 AS is_event
  FROM answers AS a
),

parted AS (
  -- by search, as all that is joined to it: one shuffle serves both
  SELECT /*+ REPARTITION(search_id) */
    s.search_id,
    s.item_id,
    s.ordinal,
    s.action,
    s.is_event
  FROM said AS s
),

items AS (
  SELECT
    s.search_id,
    s.item_id,
    MIN(CASE WHEN s.action = 'impression' THEN s.ordinal END) AS shown_at,
    MIN(s.ordinal) AS said_at,
    MAX(CASE WHEN s.action = 'impression' THEN 1 ELSE 0 END) AS is_impression,
    MAX(CASE WHEN s.action = 'click' THEN 1 ELSE 0 END) AS is_click,
    MAX(CASE WHEN s.action = 'cart' THEN 1 ELSE 0 END) AS is_cart,
    MAX(CASE WHEN s.action = 'purchase' THEN 1 ELSE 0 END) AS is_purchase,
    CAST(SUM(s.is_event) AS BIGINT) AS lines
  FROM parted AS s
  WHERE s.item_id != ''
  GROUP BY s.search_id, s.item_id
)

SELECT
  i.search_id,
  i.item_id,
  COALESCE(
    i.shown_at,
    CAST(NULLIF(ARRAY_POSITION(s.hit_ids, i.item_id), 0) AS INT),
    i.said_at
  ) AS position,
  i.is_click = 1 AS is_click,
  i.is_cart = 1 AS is_cart,
  i.is_purchase = 1 AS is_purchase,
  i.lines,
  -- a line that says again what another one said
  i.lines - (i.is_impression + i.is_click + i.is_cart + i.is_purchase) AS duplicates
FROM items AS i
-- the engine's answer says where an item stood, if its impression does not
LEFT JOIN searches AS s ON i.search_id = s.search_id AND i.shown_at IS NULL
