-- Grain: one row per used line of shared search ids, in the form of log_lines. Input: log_lines, shared_search_ids.
-- Each searcher and text of an id gets a search_id of its own; pages of one search continue each other's places.
WITH lines AS (
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
    l.hit_ids,
    l.occurred_at,
    l.ordinal,
    l.action = 'search' AS is_record,
    l.action = 'search' AND TRIM(l.user_query) != '' AS has_text,
    l.action = 'impression' AS is_impression,
    LOWER(TRIM(l.user_query)) AS typed,
    COALESCE(ARRAY_JOIN(l.hit_ids, ' '), '') AS answered,
    CASE WHEN ARRAY_CONTAINS(:zero_based, l.application) THEN 0 ELSE 1 END AS first_ordinal
  FROM log_lines AS l
  INNER JOIN shared_search_ids AS s ON l.search_id = s.search_id
  WHERE l.reason IS NULL
),

dated AS (
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
    l.hit_ids,
    l.occurred_at,
    l.ordinal,
    l.is_record,
    l.has_text,
    l.is_impression,
    l.typed,
    l.answered,
    l.first_ordinal,
    MIN(l.occurred_at) OVER (PARTITION BY l.search_id, l.has_text, l.client_id, l.typed) AS first_at
  FROM lines AS l
),

numbered AS (
  -- searches of an id: its searchers and texts, in order of time; a record without its text is none
  SELECT
    d.counted,
    d.application,
    d.action,
    d.search_id,
    d.item_id,
    d.client_id,
    d.session_id,
    -- each search column: d.?,
    d.user_query,
    d.hit_ids,
    d.occurred_at,
    d.ordinal,
    d.is_record,
    d.has_text,
    d.is_impression,
    d.typed,
    d.answered,
    d.first_ordinal,
    d.first_at,
    CASE
      WHEN d.has_text THEN DENSE_RANK() OVER (
        PARTITION BY d.search_id, d.has_text ORDER BY d.first_at ASC, d.client_id ASC, d.typed ASC
      )
    END AS rank_in_id
  FROM dated AS d
),

stamped AS (
  -- time and number in one value, so that a maximum finds the number of the latest record
  SELECT
    n.counted,
    n.application,
    n.action,
    n.search_id,
    n.item_id,
    n.client_id,
    n.session_id,
    -- each search column: n.?,
    n.user_query,
    n.hit_ids,
    n.occurred_at,
    n.ordinal,
    n.is_record,
    n.has_text,
    n.is_impression,
    n.typed,
    n.answered,
    n.first_ordinal,
    n.rank_in_id,
    CASE
      WHEN n.has_text THEN UNIX_MILLIS(n.occurred_at) * 100000 + LEAST(n.rank_in_id, 99999)
    END AS stamp
  FROM numbered AS n
),

attached AS (
  -- an event belongs to its own client's latest record before it, else to anybody's
  SELECT
    s.counted,
    s.application,
    s.action,
    s.search_id,
    s.item_id,
    s.client_id,
    s.session_id,
    -- each search column: s.?,
    s.user_query,
    s.hit_ids,
    s.occurred_at,
    s.ordinal,
    s.is_record,
    s.has_text,
    s.is_impression,
    s.typed,
    s.answered,
    s.first_ordinal,
    COALESCE(
      s.stamp,
      MAX(s.stamp) OVER (PARTITION BY s.search_id, s.client_id ORDER BY s.occurred_at ASC),
      MIN(s.stamp) OVER (PARTITION BY s.search_id, s.client_id),
      MAX(s.stamp) OVER (PARTITION BY s.search_id ORDER BY s.occurred_at ASC),
      MIN(s.stamp) OVER (PARTITION BY s.search_id)
    ) % 100000 AS search_number
  FROM stamped AS s
),

separate AS (
  SELECT
    a.counted,
    a.application,
    a.action,
    a.search_id,
    a.item_id,
    a.client_id,
    a.session_id,
    -- each search column: a.?,
    a.user_query,
    a.hit_ids,
    a.occurred_at,
    a.ordinal,
    a.is_record,
    a.has_text,
    a.is_impression,
    a.typed,
    a.answered,
    a.first_ordinal,
    a.search_number,
    CASE
      WHEN a.search_number > 1 THEN CONCAT(a.search_id, '/', CAST(a.search_number AS STRING)) ELSE a.search_id
    END AS own_id
  FROM attached AS a
),

shown AS (
  SELECT
    s.counted,
    s.application,
    s.action,
    s.search_id,
    s.item_id,
    s.client_id,
    s.session_id,
    -- each search column: s.?,
    s.user_query,
    s.hit_ids,
    s.occurred_at,
    s.ordinal,
    s.is_record,
    s.has_text,
    s.is_impression,
    s.typed,
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
