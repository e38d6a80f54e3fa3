-- Grain: one row per search_id in the day's log, with the items it showed. Input: log_lines.
WITH named AS (
  SELECT
    l.search_id,
    -- an engine may record one search several times: the record with the longest answer speaks
    MIN_BY(
      STRUCT(l.user_query, l.occurred_at, l.hit_ids),
      STRUCT(-COALESCE(SIZE(l.hit_ids), 0), l.occurred_at, l.user_query, l.hit_ids)
    ) FILTER (WHERE l.action = 'search') AS record,
    MIN(l.client_id) AS client_id,
    MIN(l.session_id) AS session_id,
    COUNT_IF(l.action = 'search') AS records
  FROM log_lines AS l
  WHERE l.reason IS NULL
  GROUP BY l.search_id
),

deliveries AS (
  -- an event that was delivered again is the same event
  SELECT
    l.search_id,
    l.item_id,
    l.action,
    l.occurred_at,
    -- UBI does not say where ordinals start: an application that ever sends a 0 counts from 0
    l.ordinal + CASE WHEN ARRAY_CONTAINS(:zero_based, l.application) THEN 1 ELSE 0 END AS position,
    COUNT(*) AS lines
  FROM log_lines AS l
  WHERE l.reason IS NULL AND l.action != 'search'
  GROUP BY l.search_id, l.item_id, l.action, l.occurred_at, l.application, l.ordinal
),

acts AS (
  SELECT
    d.search_id,
    d.item_id,
    MIN(CASE WHEN d.action = 'impression' THEN d.position END) AS shown_at,
    MIN(d.position) AS acted_at,
    BOOL_OR(d.action = 'click') AS is_click,
    BOOL_OR(d.action = 'cart') AS is_cart,
    BOOL_OR(d.action = 'purchase') AS is_purchase,
    COUNT(*) AS lines,
    SUM(d.lines) - COUNT(*) AS duplicates
  FROM deliveries AS d
  GROUP BY d.search_id, d.item_id
),

events AS (
  SELECT
    a.search_id,
    COLLECT_LIST(
      STRUCT(
        a.item_id, a.shown_at, a.acted_at, a.is_click, a.is_cart, a.is_purchase, a.lines
      )
    ) AS acts,
    BOOL_OR(a.shown_at IS NOT NULL) AS has_impressions,
    SUM(a.lines) AS lines,
    SUM(a.duplicates) AS duplicates
  FROM acts AS a
  GROUP BY a.search_id
),

joined AS (
  SELECT
    n.search_id,
    n.client_id,
    n.session_id,
    n.record.occurred_at AS searched_at,
    UNIX_SECONDS(n.record.occurred_at) AS searched_s,
    NORMALISE_QUERY(n.record.user_query) AS query,
    COALESCE(FILTER(n.record.hit_ids, h -> h IS NOT NULL AND h != ''), ARRAY()) AS hit_ids,
    COALESCE(e.has_impressions, FALSE) AS has_impressions,
    COALESCE(e.acts, ARRAY()) AS acts,
    COALESCE(e.lines, 0) + LEAST(n.records, 1) AS lines,
    COALESCE(e.duplicates, 0) + GREATEST(n.records - 1, 0) AS duplicates
  FROM named AS n
  LEFT JOIN events AS e ON n.search_id = e.search_id
),

placed AS (
  -- where an item stood: by its impression, else by the engine's answer, else by the act
  SELECT
    j.search_id,
    j.query,
    j.searched_at,
    j.searched_s,
    -- the raw id of a client goes no further than this line
    SHA2(CONCAT(:salt, j.client_id), 256) AS client_id,
    j.session_id,
    j.lines,
    j.duplicates,
    TRANSFORM(
      j.acts,
      a -> STRUCT(
        a.item_id,
        COALESCE(
          a.shown_at, CAST(NULLIF(ARRAY_POSITION(j.hit_ids, a.item_id), 0) AS INT), a.acted_at
        ) AS position,
        a.is_click,
        a.is_cart,
        a.is_purchase,
        a.lines,
        a.shown_at IS NOT NULL OR ARRAY_CONTAINS(j.hit_ids, a.item_id) AS is_seen
      )
    ) AS acts,
    -- the engine's answer stands in for impression events where a search has none
    CASE
      WHEN j.has_impressions THEN ARRAY()
      ELSE TRANSFORM(
        FILTER(ARRAY_DISTINCT(j.hit_ids), h -> NOT EXISTS(j.acts, a -> a.item_id = h)),
        h -> STRUCT(
          h AS item_id,
          CAST(ARRAY_POSITION(j.hit_ids, h) AS INT) AS position,
          FALSE AS is_click,
          FALSE AS is_cart,
          FALSE AS is_purchase,
          CAST(0 AS BIGINT) AS lines,
          TRUE AS is_seen
        )
      )
    END AS hits
  FROM joined AS j
)

SELECT
  p.search_id,
  p.query,
  p.searched_at,
  p.searched_s,
  p.client_id,
  p.session_id,
  p.lines,
  p.duplicates,
  COALESCE(p.client_id, p.search_id) AS client_key,
  CONCAT(FILTER(p.acts, a -> a.position IS NOT NULL), p.hits) AS shown,
  AGGREGATE(
    FILTER(p.acts, a -> a.position IS NULL), CAST(0 AS BIGINT), (s, a) -> s + a.lines
  ) AS unplaced
FROM placed AS p
