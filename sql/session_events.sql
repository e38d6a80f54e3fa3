-- Grain: one row per event that arrived, with its place in the session. Input: item_events, order_events,
-- earlier_events.
-- earlier_events: session_events of the days before. line: the place in an order, whose lines have one time.
-- reason: why an event is dropped; NULL for the events themselves.
WITH arrived AS (
  SELECT
    i.session_id,
    i.client_id,
    i.item_id,
    i.action,
    i.occurred_at,
    i.query_id,
    i.placement,
    i.day,
    -- the shop may have sent no session: the person says whether a click is the same click
    COALESCE(i.client_id, i.session_id) AS actor,
    CAST(0 AS BIGINT) AS line
  FROM item_events AS i
  UNION ALL
  SELECT
    o.session_id,
    o.client_id,
    o.item_id,
    'purchase' AS action,
    o.occurred_at,
    CAST(NULL AS STRING) AS query_id,
    'basket' AS placement,
    o.day,
    -- a customer may have two orders within a minute
    o.session_id AS actor,
    o.line
  FROM order_events AS o
),

known AS (
  SELECT
    e.client_id AS actor,
    e.item_id,
    e.action,
    e.occurred_at
  FROM earlier_events AS e
  UNION DISTINCT
  SELECT
    e.session_id AS actor,
    e.item_id,
    e.action,
    e.occurred_at
  FROM earlier_events AS e
),

last_places AS (
  SELECT
    e.session_id,
    MAX(e.ordinal) AS ordinal
  FROM earlier_events AS e
  GROUP BY e.session_id
),

repeated AS (
  SELECT
    a.session_id,
    a.client_id,
    a.item_id,
    a.action,
    a.occurred_at,
    a.query_id,
    a.placement,
    a.day,
    a.line,
    a.actor,
    ROW_NUMBER() OVER (
      PARTITION BY a.actor, a.item_id, a.action, a.occurred_at
      ORDER BY a.query_id IS NULL ASC, a.line ASC, a.query_id ASC, a.session_id ASC, a.placement ASC, a.day ASC
    ) AS repetition
  FROM arrived AS a
),

judged AS (
  SELECT
    r.session_id,
    r.client_id,
    r.item_id,
    r.action,
    r.occurred_at,
    r.query_id,
    r.placement,
    r.day,
    r.line,
    CASE
      WHEN r.repetition > 1 THEN 'duplicate'
      WHEN k.item_id IS NOT NULL THEN 'said_before'
    END AS reason
  FROM repeated AS r
  LEFT JOIN known AS k
    ON r.actor = k.actor AND r.item_id = k.item_id AND r.action = k.action AND r.occurred_at = k.occurred_at
)

SELECT
  j.session_id,
  CAST(
    COALESCE(p.ordinal, 0) + ROW_NUMBER() OVER (
      PARTITION BY j.session_id, j.reason IS NULL
      ORDER BY j.occurred_at ASC, j.line ASC, j.item_id ASC, j.action ASC
    ) AS INT
  ) AS ordinal,
  j.client_id,
  j.item_id,
  j.action,
  j.occurred_at,
  j.query_id,
  j.placement,
  j.day,
  j.reason
FROM judged AS j
LEFT JOIN last_places AS p ON j.session_id = p.session_id
