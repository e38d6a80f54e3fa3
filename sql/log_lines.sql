-- Grain: one row per line of a day's log, with the reason of a line that is not used. Input: raw_lines.
-- counted: 1, or 0 for the further items of a record, which is counted once.
WITH parsed AS (
  SELECT
    r.file,
    r.raw,
    r.malformed,
    r.is_other_form,
    r.is_blank,
    r.is_bulk_action,
    r.counted,
    COALESCE(r.application, '') AS application,
    -- shops name the same four actions differently; a record without an action is a search
    CASE
      WHEN r.action_name IS NULL THEN 'search'
      ELSE
        TRY_ELEMENT_AT(
          :actions, CAST(NULLIF(ARRAY_POSITION(:action_names, LOWER(r.action_name)), 0) AS INT)
        )
    END AS action,
    -- a long text is no word for nothing
    CASE
      WHEN LENGTH(r.search_id) > 9 OR NOT ARRAY_CONTAINS(:absent, LOWER(r.search_id)) THEN r.search_id
    END AS search_id,
    CASE
      WHEN r.action_name IS NOT NULL AND (LENGTH(r.item_id) > 9 OR NOT ARRAY_CONTAINS(:absent, LOWER(r.item_id)))
        THEN r.item_id
    END AS item_id,
    -- what a tracker writes for people without consent is no id
    CASE WHEN NOT ARRAY_CONTAINS(:nobody, LOWER(TRIM(r.client_id))) THEN r.client_id END AS client_id,
    CASE WHEN NOT ARRAY_CONTAINS(:nobody, LOWER(TRIM(r.session_id))) THEN r.session_id END AS session_id,
    -- each search column: r.?,
    -- a page without a query, such as a category, is a search for nothing
    COALESCE(r.user_query, '') AS user_query,
    TRY_ELEMENT_AT(
      :placements, CAST(NULLIF(ARRAY_POSITION(:placement_names, LOWER(TRIM(r.placement))), 0) AS INT)
    ) AS placement,
    r.hit_ids,
    r.action_name IS NULL AND r.user_query IS NULL AND r.item_id IS NOT NULL AS is_nameless_event,
    r.timestamp IS NOT NULL AS has_timestamp,
    CASE
      -- require a date: Spark casts a bare time of day to today
      WHEN SUBSTRING(r.timestamp, 5, 1) = '-' AND r.timestamp LIKE '%Z' THEN TRY_CAST(r.timestamp AS TIMESTAMP_LTZ)
      -- without a zone it is the shop's own clock
      WHEN REGEXP_LIKE(r.timestamp, '^[0-9]{4}[-/][0-9]{1,2}[-/][0-9]{1,2}([ T][0-9:.,]*)?$')
        THEN
          TO_UTC_TIMESTAMP(TRY_CAST(REPLACE(REPLACE(r.timestamp, '/', '-'), ',', '.') AS TIMESTAMP_LTZ), :time_zone)
      -- `+0100`, ` UTC`, `GMT+1`, `+01:00[Europe/Warsaw]`. BST is Bangladesh's time to Java, and Britain's to a shop
      WHEN SUBSTRING(r.timestamp, 5, 1) = '-' AND NOT r.timestamp LIKE '%BST'
        THEN
          TRY_CAST(
            REGEXP_REPLACE(
              REPLACE(
                CASE
                  WHEN REGEXP_LIKE(SUBSTRING_INDEX(r.timestamp, '[', 1), '([+-][0-9:]+|Z)$')
                    THEN SUBSTRING_INDEX(r.timestamp, '[', 1)
                  ELSE r.timestamp
                END, ',', '.'
              ), 'z$', 'Z'
            ) AS TIMESTAMP_LTZ
          )
      -- milliseconds, seconds, microseconds or nanoseconds since 1970
      WHEN
        TRY_CAST(r.timestamp AS DOUBLE) BETWEEN 1e12 AND 1e13
        THEN TIMESTAMP_MILLIS(CAST(TRY_CAST(r.timestamp AS DOUBLE) AS BIGINT))
      WHEN
        TRY_CAST(r.timestamp AS DOUBLE) BETWEEN 1e9 AND 1e10
        THEN TIMESTAMP_MILLIS(CAST(TRY_CAST(r.timestamp AS DOUBLE) * 1000 AS BIGINT))
      WHEN
        TRY_CAST(r.timestamp AS DOUBLE) BETWEEN 1e15 AND 1e16
        THEN TIMESTAMP_MILLIS(CAST(TRY_CAST(r.timestamp AS DOUBLE) / 1000 AS BIGINT))
      WHEN
        TRY_CAST(r.timestamp AS DOUBLE) BETWEEN 1e18 AND 9e18
        THEN TIMESTAMP_MILLIS(CAST(TRY_CAST(r.timestamp AS DOUBLE) / 1000000 AS BIGINT))
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
    p.counted,
    p.application,
    p.action,
    p.search_id,
    p.item_id,
    p.client_id,
    p.session_id,
    -- each search column: p.?,
    p.user_query,
    p.placement,
    p.hit_ids,
    p.occurred_at,
    CASE WHEN p.ordinal BETWEEN 0 AND :max_ordinal THEN p.ordinal END AS ordinal,
    CASE
      WHEN p.is_blank THEN 'blank'
      WHEN p.is_other_form THEN 'other_form'
      WHEN p.malformed AND OCTET_LENGTH(p.raw) > :max_line_bytes THEN 'line_too_long'
      WHEN p.malformed AND NOT IS_VALID_UTF8(p.raw) THEN 'not_utf8'
      WHEN p.malformed THEN 'malformed'
      WHEN p.is_bulk_action THEN 'bulk_action'
      -- a look at an offer's page shows nothing in a list: item_events takes it
      WHEN p.action IS NULL OR p.action = 'view' THEN 'other_action'
      -- a click on a page that no search made
      WHEN p.search_id IS NULL AND p.action != 'search' THEN 'no_query_id'
      WHEN p.search_id IS NULL OR NOT p.has_timestamp OR p.is_nameless_event THEN 'missing_field'
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
  c.counted,
  -- separate_searches numbers the pages of a search
  1 AS page,
  c.application,
  c.action,
  c.search_id,
  c.item_id,
  c.client_id,
  c.session_id,
  -- each search column: c.?,
  c.user_query,
  c.placement,
  c.hit_ids,
  c.occurred_at,
  c.ordinal,
  c.reason,
  -- what people did to an item outside any search: impressions drops it by its reason, item_events takes it
  COALESCE(
    c.reason IN ('other_action', 'no_query_id') AND c.action NOT IN ('search', 'impression') AND c.item_id != ''
    AND c.occurred_at >= CAST(:earliest AS TIMESTAMP) AND c.occurred_at < CAST(:latest AS TIMESTAMP),
    FALSE
  ) AS is_browse,
  CASE WHEN c.reason IS NOT NULL THEN c.file END AS file,
  -- typed text stays in the raw zone; a rejected line keeps the start of it, for repair
  CASE
    -- it is read again
    WHEN c.reason = 'other_form' THEN c.raw
    WHEN
      c.reason IN ('line_too_long', 'not_utf8', 'malformed', 'missing_field', 'bad_timestamp', 'bad_position')
      THEN SUBSTRING(MAKE_VALID_UTF8(c.raw), 1, 500)
  END AS raw
FROM checked AS c
