-- Grain: one row per (search_id, item_id) shown or acted on, with its position. Input: log_lines, searches.
WITH hits AS (
  -- a search without impressions: use the hits that the engine returned
  SELECT
    s.search_id,
    EXPLODE(s.hit_ids) AS item_id
  FROM searches AS s
  WHERE s.shown_items = 0 AND SIZE(s.hit_ids) > 0
),

events AS (
  SELECT
    l.search_id,
    l.item_id,
    -- ordinal_bases tells the applications that count from 0; elsewhere a 0 is no place
    CASE
      WHEN ARRAY_CONTAINS(:zero_based, l.application) THEN l.ordinal + 1 ELSE NULLIF(l.ordinal, 0)
    END AS ordinal,
    l.action,
    l.counted
  FROM log_lines AS l
  WHERE l.reason IS NULL AND l.action != 'search'
  UNION ALL
  SELECT
    h.search_id,
    h.item_id,
    CAST(NULL AS INT) AS ordinal,
    'hit' AS action,
    0 AS counted
  FROM hits AS h
),

repartitioned AS (
  -- partition by search, like everything that is joined to it: one shuffle serves both
  SELECT /*+ REPARTITION(search_id) */
    e.search_id,
    e.item_id,
    e.ordinal,
    e.action,
    e.counted
  FROM events AS e
),

items AS (
  SELECT
    r.search_id,
    r.item_id,
    MIN(CASE WHEN r.action = 'impression' THEN r.ordinal END) AS shown_at,
    MIN(r.ordinal) AS acted_at,
    MAX(CASE WHEN r.action = 'impression' THEN 1 ELSE 0 END) AS is_impression,
    MAX(CASE WHEN r.action = 'click' THEN 1 ELSE 0 END) AS is_click,
    MAX(CASE WHEN r.action = 'cart' THEN 1 ELSE 0 END) AS is_cart,
    MAX(CASE WHEN r.action = 'purchase' THEN 1 ELSE 0 END) AS is_purchase,
    CAST(SUM(r.counted) AS BIGINT) AS lines
  FROM repartitioned AS r
  WHERE r.item_id != ''
  GROUP BY r.search_id, r.item_id
)

SELECT
  i.search_id,
  i.item_id,
  COALESCE(
    i.shown_at,
    CAST(NULLIF(ARRAY_POSITION(s.hit_ids, i.item_id), 0) AS INT),
    i.acted_at
  ) AS position,
  -- by an impression or among the engine's hits; where neither is logged, what was clicked was shown
  i.shown_at IS NOT NULL
  OR COALESCE(ARRAY_CONTAINS(s.hit_ids, i.item_id), FALSE)
  OR (COALESCE(s.shown_items, 0) = 0 AND COALESCE(SIZE(s.hit_ids), 0) = 0) AS is_shown,
  i.is_click = 1 AS is_click,
  i.is_cart = 1 AS is_cart,
  i.is_purchase = 1 AS is_purchase,
  i.lines,
  -- lines that repeat another line; a further item of a record is a row without a line
  GREATEST(i.lines - (i.is_impression + i.is_click + i.is_cart + i.is_purchase), 0) AS duplicates
FROM items AS i
-- the engine's hits give the position where the impression has none
LEFT JOIN searches AS s ON i.search_id = s.search_id AND i.shown_at IS NULL
