-- Grain: one row per line of a day's log, with the reason of a line that is not used. Input: raw_lines.
WITH parsed AS (
  SELECT
    r.file,
    r.raw,
    r.malformed,
    r.is_blank,
    r.is_bulk_action,
    COALESCE(r.application, '') AS application,
    -- shops name the same four actions differently; a record without an action is a search
    CASE
      WHEN r.action_name IS NULL THEN 'search'
      WHEN LOWER(r.action_name) = 'impression' THEN 'impression'
      WHEN LOWER(r.action_name) IN ('click', 'click_through', 'item_click') THEN 'click'
      WHEN LOWER(r.action_name) IN ('add_to_cart', 'cart') THEN 'cart'
      WHEN LOWER(r.action_name) = 'purchase' THEN 'purchase'
    END AS action,
    NULLIF(r.search_id, '') AS search_id,
    CASE WHEN r.action_name IS NOT NULL THEN NULLIF(r.item_id, '') END AS item_id,
    r.client_id,
    r.session_id,
    -- each search column: r.?,
    r.user_query,
    r.hit_ids,
    r.timestamp IS NOT NULL AS has_timestamp,
    CASE
      -- require a date: Spark casts a bare time of day to today
      WHEN SUBSTRING(r.timestamp, 5, 1) = '-' THEN TRY_CAST(r.timestamp AS TIMESTAMP_LTZ)
      WHEN LENGTH(r.timestamp) = 13 THEN TIMESTAMP_MILLIS(TRY_CAST(r.timestamp AS BIGINT))
    END AS occurred_at,
    -- some exports write integers as floats: 3.0 is 3
    TRY_CAST(
      CASE
        WHEN r.ordinal LIKE '%.0' THEN SUBSTRING(r.ordinal, 1, LENGTH(r.ordinal) - 2) ELSE r.ordinal
      END AS INT
    ) AS ordinal
  FROM raw_lines AS r
),

checked AS (
  SELECT
    p.file,
    p.raw,
    p.application,
    p.action,
    p.search_id,
    p.item_id,
    p.client_id,
    p.session_id,
    -- each search column: p.?,
    p.user_query,
    p.hit_ids,
    p.occurred_at,
    CASE WHEN p.ordinal BETWEEN 0 AND :max_ordinal THEN p.ordinal END AS ordinal,
    CASE
      WHEN p.is_blank THEN 'blank'
      WHEN p.malformed AND OCTET_LENGTH(p.raw) > :max_line_bytes THEN 'line_too_long'
      WHEN p.malformed THEN 'malformed'
      WHEN p.is_bulk_action THEN 'bulk_action'
      WHEN p.action IS NULL THEN 'other_action'
      WHEN p.search_id IS NULL OR NOT p.has_timestamp THEN 'missing_field'
      WHEN p.action = 'search' AND p.user_query IS NULL THEN 'missing_field'
      WHEN p.action != 'search' AND p.item_id IS NULL THEN 'missing_field'
      WHEN p.occurred_at IS NULL THEN 'bad_timestamp'
      -- late events may change earlier days, but only late_days back
      WHEN p.occurred_at < CAST(:earliest AS TIMESTAMP) THEN 'outside_day'
      -- a search belongs to the day it was made; its events may follow after midnight
      WHEN p.action = 'search' AND p.occurred_at >= CAST(:day_to AS TIMESTAMP) THEN 'outside_day'
      WHEN p.occurred_at >= CAST(:latest AS TIMESTAMP) THEN 'outside_day'
      WHEN
        p.action = 'impression' AND COALESCE(p.ordinal NOT BETWEEN 0 AND :max_ordinal, TRUE)
        THEN 'bad_position'
    END AS reason
  FROM parsed AS p
)

SELECT
  c.application,
  c.action,
  c.search_id,
  c.item_id,
  c.client_id,
  c.session_id,
  -- each search column: c.?,
  c.user_query,
  c.hit_ids,
  c.occurred_at,
  c.ordinal,
  c.reason,
  CASE WHEN c.reason IS NOT NULL THEN c.file END AS file,
  -- typed text stays in the raw zone; a rejected line keeps the start of it, for repair
  CASE
    WHEN
      c.reason IN ('line_too_long', 'malformed', 'missing_field', 'bad_timestamp', 'bad_position')
      THEN SUBSTRING(MAKE_VALID_UTF8(c.raw), 1, 500)
  END AS raw
FROM checked AS c
