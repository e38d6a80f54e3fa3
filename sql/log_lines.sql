-- Grain: one row per line of a day's log; reason says why a line is not used. Input: raw_lines.
WITH typed AS (
  SELECT
    r.file,
    r.raw,
    r.malformed,
    r.is_blank,
    r.is_bulk_action,
    COALESCE(r.application, '') AS application,
    -- the names that shops give to the same four acts; a record without one is a search
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
    r.user_query,
    r.hit_ids,
    r.timestamp IS NOT NULL AS has_timestamp,
    CASE
      -- a date first: a bare time of day would be cast to today's
      WHEN SUBSTRING(r.timestamp, 5, 1) = '-' THEN TRY_CAST(r.timestamp AS TIMESTAMP_LTZ)
      WHEN LENGTH(r.timestamp) = 13 THEN TIMESTAMP_MILLIS(TRY_CAST(r.timestamp AS BIGINT))
    END AS occurred_at,
    -- a whole number that somebody's export made a float of is still one
    TRY_CAST(
      CASE
        WHEN r.ordinal LIKE '%.0' THEN SUBSTRING(r.ordinal, 1, LENGTH(r.ordinal) - 2) ELSE r.ordinal
      END AS INT
    ) AS place
  FROM raw_lines AS r
),

judged AS (
  SELECT
    t.file,
    t.raw,
    t.application,
    t.action,
    t.search_id,
    t.item_id,
    t.client_id,
    t.session_id,
    t.user_query,
    t.hit_ids,
    t.occurred_at,
    CASE WHEN t.place BETWEEN 0 AND :max_ordinal THEN t.place END AS ordinal,
    CASE
      WHEN t.is_blank THEN 'blank'
      WHEN t.malformed AND OCTET_LENGTH(t.raw) > :max_line_bytes THEN 'line_too_long'
      WHEN t.malformed THEN 'malformed'
      WHEN t.is_bulk_action THEN 'bulk_action'
      WHEN t.action IS NULL THEN 'other_action'
      WHEN t.search_id IS NULL OR NOT t.has_timestamp THEN 'missing_field'
      WHEN t.action = 'search' AND t.user_query IS NULL THEN 'missing_field'
      WHEN t.action != 'search' AND t.item_id IS NULL THEN 'missing_field'
      WHEN t.occurred_at IS NULL THEN 'bad_timestamp'
      -- earlier days may be added to, as far back as events are waited for
      WHEN t.occurred_at < CAST(:earliest AS TIMESTAMP) THEN 'outside_day'
      -- a search belongs to the day it was made in, its events may trail in after midnight
      WHEN t.action = 'search' AND t.occurred_at >= CAST(:day_to AS TIMESTAMP) THEN 'outside_day'
      WHEN t.occurred_at >= CAST(:latest AS TIMESTAMP) THEN 'outside_day'
      WHEN
        t.action = 'impression' AND COALESCE(t.place NOT BETWEEN 0 AND :max_ordinal, TRUE)
        THEN 'bad_position'
    END AS reason
  FROM typed AS t
)

SELECT
  j.application,
  j.action,
  j.search_id,
  j.item_id,
  j.client_id,
  j.session_id,
  j.user_query,
  j.hit_ids,
  j.occurred_at,
  j.ordinal,
  j.reason,
  CASE WHEN j.reason IS NOT NULL THEN j.file END AS file,
  -- what people typed stays in the raw zone, but for as much as it takes to mend a rejected line
  CASE
    WHEN
      j.reason IN ('line_too_long', 'malformed', 'missing_field', 'bad_timestamp', 'bad_position')
      THEN SUBSTRING(MAKE_VALID_UTF8(j.raw), 1, 500)
  END AS raw
FROM judged AS j
