-- Grain: one row per used line of shared search ids, in the form of log_lines. Input: log_lines, shared_search_ids.
-- Each searcher and text of an id gets a search_id of its own; pages of one search continue each other's places.
WITH texts AS (
  -- a record without its text is no search of its own
  SELECT
    l.search_id,
    l.client_id,
    LOWER(TRIM(l.user_query)) AS typed,
    MIN(l.occurred_at) AS first_at
  FROM log_lines AS l
  INNER JOIN shared_search_ids AS s ON l.search_id = s.search_id
  WHERE l.reason IS NULL AND l.action = 'search' AND TRIM(l.user_query) != ''
  GROUP BY l.search_id, l.client_id, LOWER(TRIM(l.user_query))
),

numbered AS (
  SELECT
    t.search_id,
    t.client_id,
    t.typed,
    LEAST(
      ROW_NUMBER() OVER (PARTITION BY t.search_id ORDER BY t.first_at ASC, t.client_id ASC, t.typed ASC), 99999
    ) AS rank_in_id
  FROM texts AS t
),

lines AS (
  SELECT
    l.counted,
    l.application,
    l.action,
    l.search_id,
    l.item_id,
    l.client_id,
    l.session_id,
    -- each search column: l.?,
    l.user_query,
    l.placement,
    l.hit_ids,
    l.occurred_at,
    l.ordinal,
    l.action = 'search' AS is_record,
    l.action = 'impression' AS is_impression,
    COALESCE(ARRAY_JOIN(l.hit_ids, ' '), '') AS answered,
    CASE WHEN ARRAY_CONTAINS(:zero_based, l.application) THEN 0 ELSE 1 END AS first_ordinal,
    -- time and number in one value, so that a maximum finds the number of the latest record
    UNIX_MILLIS(l.occurred_at) * 100000 + n.rank_in_id AS stamp
  FROM log_lines AS l
  INNER JOIN shared_search_ids AS s ON l.search_id = s.search_id
  LEFT JOIN numbered AS n
    ON
      l.search_id = n.search_id AND l.action = 'search'
      AND l.client_id IS NOT DISTINCT FROM n.client_id AND LOWER(TRIM(l.user_query)) = n.typed
  WHERE l.reason IS NULL
),

separate AS (
  -- an event belongs to its own client's latest record before it, else to anybody's; the first search keeps the id.
  -- late_search_ids knows the others by the two slashes
  SELECT
    l.counted,
    l.application,
    l.action,
    l.search_id,
    l.item_id,
    l.client_id,
    l.session_id,
    -- each search column: l.?,
    l.user_query,
    l.placement,
    l.hit_ids,
    l.occurred_at,
    l.ordinal,
    l.is_record,
    l.is_impression,
    l.answered,
    l.first_ordinal,
    CONCAT(
      l.search_id,
      COALESCE(
        NULLIF(
          CONCAT(
            '//',
            CAST(COALESCE(
              l.stamp,
              MAX(l.stamp) OVER (PARTITION BY l.search_id, l.client_id ORDER BY l.occurred_at ASC),
              MIN(l.stamp) OVER (PARTITION BY l.search_id, l.client_id),
              MAX(l.stamp) OVER (PARTITION BY l.search_id ORDER BY l.occurred_at ASC),
              MIN(l.stamp) OVER (PARTITION BY l.search_id)
            ) % 100000 AS STRING)
          ),
          '//1'
        ),
        ''
      )
    ) AS own_id
  FROM lines AS l
),

shown AS (
  SELECT
    s.counted,
    s.application,
    s.action,
    s.item_id,
    s.client_id,
    s.session_id,
    -- each search column: s.?,
    s.user_query,
    s.placement,
    s.hit_ids,
    s.occurred_at,
    s.ordinal,
    s.is_record,
    s.is_impression,
    s.answered,
    s.first_ordinal,
    s.own_id,
    MIN(s.occurred_at) OVER (PARTITION BY s.own_id, s.is_impression, s.item_id) AS shown_first,
    MIN(s.ordinal) OVER (PARTITION BY s.own_id, s.is_impression, s.item_id) AS lowest_ordinal,
    MIN(s.occurred_at) OVER (PARTITION BY s.own_id, s.is_record, s.answered) AS answered_first,
    MIN(CASE WHEN s.is_impression AND s.ordinal = s.first_ordinal THEN s.item_id END) OVER (PARTITION BY s.own_id)
    != MAX(CASE WHEN s.is_impression AND s.ordinal = s.first_ordinal THEN s.item_id END) OVER (PARTITION BY s.own_id)
      AS has_pages
  FROM separate AS s
),

hits AS (
  SELECT
    s.own_id,
    s.hit_ids,
    s.occurred_at,
    EXPLODE(SEQUENCE(1, SIZE(s.hit_ids))) AS place
  FROM separate AS s
  WHERE s.is_record AND SIZE(s.hit_ids) > 0
),

first_hits AS (
  SELECT
    h.own_id,
    h.occurred_at,
    h.place,
    ELEMENT_AT(h.hit_ids, h.place) AS item_id,
    ROW_NUMBER() OVER (
      PARTITION BY h.own_id, ELEMENT_AT(h.hit_ids, h.place) ORDER BY h.occurred_at ASC, h.place ASC
    ) AS repetition
  FROM hits AS h
),

pages AS (
  -- the answers of all records, the first page first
  SELECT
    f.own_id,
    ARRAY_AGG(f.item_id) OVER (
      PARTITION BY f.own_id ORDER BY f.occurred_at ASC, f.place ASC
      ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
    ) AS hit_ids,
    ROW_NUMBER() OVER (PARTITION BY f.own_id ORDER BY f.occurred_at ASC, f.place ASC) AS place
  FROM first_hits AS f
  WHERE f.repetition = 1
)

SELECT
  s.counted,
  s.application,
  s.action,
  s.own_id AS search_id,
  s.item_id,
  s.client_id,
  s.session_id,
  -- each search column: s.?,
  s.user_query,
  s.placement,
  s.occurred_at,
  CASE WHEN s.is_record THEN COALESCE(p.hit_ids, s.hit_ids) END AS hit_ids,
  CASE
    -- an engine may record a search once more, without its answer
    WHEN s.is_record AND s.answered != ''
      THEN
        DENSE_RANK()
          OVER (
            PARTITION BY s.own_id, s.is_record, s.answered != '' ORDER BY s.answered_first ASC, s.answered ASC
          )
    ELSE 1
  END AS page,
  CASE
    WHEN s.has_pages AND s.is_impression
      THEN
        s.first_ordinal - 1 + DENSE_RANK() OVER (
          PARTITION BY s.own_id, s.is_impression
          ORDER BY s.shown_first ASC, s.lowest_ordinal ASC, s.item_id ASC
        )
    ELSE s.ordinal
  END AS ordinal,
  CAST(NULL AS STRING) AS reason
FROM shown AS s
LEFT JOIN pages AS p ON s.own_id = p.own_id AND p.place = 1
