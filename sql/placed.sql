-- Grain: one row per (search_id, item_id) shown or acted on, and where it stood. Input: log_lines,
-- searches.
WITH hits AS (
  -- the engine's answer says where an item stood, if its impression does not
  SELECT
    s.search_id,
    s.impressions,
    s.hit_ids,
    EXPLODE(SEQUENCE(1, SIZE(s.hit_ids))) AS place
  FROM searches AS s
  WHERE SIZE(s.hit_ids) > 0
),

said AS (
  SELECT
    l.search_id,
    l.item_id,
    -- UBI does not say where ordinals start: an application that ever sends a 0 counts from 0
    l.ordinal + CASE WHEN ARRAY_CONTAINS(:zero_based, l.application) THEN 1 ELSE 0 END AS ordinal,
    l.action,
    CAST(NULL AS INT) AS place,
    1 AS is_event
  FROM log_lines AS l
  WHERE l.reason IS NULL AND l.action != 'search'
  UNION ALL
  SELECT
    h.search_id,
    ELEMENT_AT(h.hit_ids, h.place) AS item_id,
    CAST(NULL AS INT) AS ordinal,
    -- it stands in for impressions where a search has none
    CASE WHEN h.impressions = 0 THEN 'answer' ELSE 'place' END AS action,
    CAST(h.place AS INT) AS place,
    0 AS is_event
  FROM hits AS h
),

parted AS (
  -- by search, as all that is joined to it: one shuffle serves both
  SELECT /*+ REPARTITION(search_id) */
    s.search_id,
    s.item_id,
    s.ordinal,
    s.action,
    s.place,
    s.is_event
  FROM said AS s
),

items AS (
  SELECT
    s.search_id,
    s.item_id,
    COALESCE(
      MIN(CASE WHEN s.action = 'impression' THEN s.ordinal END), MIN(s.place), MIN(s.ordinal)
    ) AS position,
    MAX(CASE WHEN s.action = 'impression' THEN 1 ELSE 0 END) AS is_impression,
    MAX(CASE WHEN s.action = 'click' THEN 1 ELSE 0 END) AS is_click,
    MAX(CASE WHEN s.action = 'cart' THEN 1 ELSE 0 END) AS is_cart,
    MAX(CASE WHEN s.action = 'purchase' THEN 1 ELSE 0 END) AS is_purchase,
    MAX(CASE WHEN s.action = 'answer' THEN 1 ELSE 0 END) AS is_answer,
    CAST(SUM(s.is_event) AS BIGINT) AS lines
  FROM parted AS s
  WHERE s.item_id != ''
  GROUP BY s.search_id, s.item_id
)

SELECT
  i.search_id,
  i.item_id,
  i.position,
  i.is_click = 1 AS is_click,
  i.is_cart = 1 AS is_cart,
  i.is_purchase = 1 AS is_purchase,
  i.lines,
  -- a line that says again what another one said
  i.lines - (i.is_impression + i.is_click + i.is_cart + i.is_purchase) AS duplicates
FROM items AS i
WHERE i.lines > 0 OR i.is_answer = 1
