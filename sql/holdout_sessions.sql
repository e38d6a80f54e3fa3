-- Grain: one row per session of the window, with the reason of one that holds nothing out. Input: session_events.
-- The last item is held out and predicted from those before it. One item several times in a row is one step.
WITH acts AS (
  SELECT
    e.session_id,
    e.client_id,
    e.item_id,
    e.day,
    e.occurred_at,
    e.ordinal,
    LAG(e.item_id) OVER (PARTITION BY e.session_id ORDER BY e.occurred_at ASC, e.ordinal ASC) AS item_before
  FROM session_events AS e
  WHERE ARRAY_CONTAINS(:actions, e.action)
),

steps AS (
  SELECT
    a.session_id,
    a.client_id,
    a.item_id,
    a.day,
    ROW_NUMBER() OVER (PARTITION BY a.session_id ORDER BY a.occurred_at ASC, a.ordinal ASC) AS place,
    ROW_NUMBER() OVER (PARTITION BY a.session_id ORDER BY a.occurred_at DESC, a.ordinal DESC) AS from_last
  FROM acts AS a
  WHERE a.item_before IS NULL OR a.item_before != a.item_id
),

lists AS (
  SELECT
    s.session_id,
    s.place,
    MIN(s.place) OVER (PARTITION BY s.session_id) AS first_place,
    ARRAY_AGG(s.item_id) OVER (
      PARTITION BY s.session_id ORDER BY s.place ASC ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
    ) AS given
  FROM steps AS s
  WHERE s.from_last BETWEEN 2 AND :max_given + 1
),

all_sessions AS (
  SELECT DISTINCT e.session_id
  FROM session_events AS e
),

sessions AS (
  SELECT
    e.session_id,
    MIN(s.client_id) AS client_id,
    MAX(CASE WHEN s.from_last = 1 THEN s.item_id END) AS target,
    MAX(CASE WHEN s.from_last = 1 THEN s.day END) AS day,
    COUNT(s.place) AS step_count
  FROM all_sessions AS e
  LEFT JOIN steps AS s ON e.session_id = s.session_id
  GROUP BY e.session_id
),

keyed AS (
  SELECT
    s.session_id,
    s.client_id,
    s.target,
    s.day,
    s.step_count,
    -- all sessions of a person lie on one side, where the setting says so
    SHA1(CONCAT('holdout ', CASE WHEN :by_client THEN COALESCE(s.client_id, s.session_id) ELSE s.session_id END))
      AS split_key
  FROM sessions AS s
)

SELECT
  SHA1(k.session_id) AS query_id,
  k.session_id,
  k.client_id,
  l.given,
  k.target,
  k.day,
  CASE
    WHEN :first_held = '' THEN SPLIT_OF(k.split_key)
    -- what is predicted lies after all that is learnt from
    WHEN k.day < CAST(NULLIF(:first_held, '') AS DATE) THEN 'train'
    WHEN SUBSTRING(k.split_key, 1, 1) < '8' THEN 'dev'
    ELSE 'test'
  END AS split,
  CASE
    WHEN k.step_count = 0 THEN 'no_action'
    WHEN k.step_count = 1 THEN 'one_item'
    WHEN k.step_count > :max_session_items THEN 'too_long'
  END AS reason
FROM keyed AS k
LEFT JOIN lists AS l ON k.session_id = l.session_id AND l.place = l.first_place
