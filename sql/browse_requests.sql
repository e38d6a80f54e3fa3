-- Grain: one row per event outside any search, in the form of searches. Input: item_lines, days.
-- A look at an offer's page is a request as a search is: one timeline per person gives the sessions, and the rules
-- against bots hold for all of it. It counts as acted on, since who looks at offers is not silent, and as three items
-- shown, so that bot_clicks_all judges searches alone.
WITH events AS (
  SELECT
    l.item_id,
    l.occurred_at,
    SHA2(CONCAT(:salt, l.client_id), 256) AS client_id,
    SHA2(CONCAT(:salt, l.session_id), 256) AS session_id,
    SHA1(CONCAT_WS('/', l.client_id, l.session_id, l.item_id, l.action, CAST(UNIX_MILLIS(l.occurred_at) AS STRING)))
      AS request_id,
    l.counted
  FROM item_lines AS l
  WHERE l.is_browse
),

requests AS (
  SELECT
    e.request_id,
    MIN(e.item_id) AS item_id,
    MIN(e.occurred_at) AS occurred_at,
    MIN(e.client_id) AS client_id,
    MIN(e.session_id) AS session_id,
    CAST(SUM(e.counted) AS BIGINT) AS lines
  FROM events AS e
  GROUP BY e.request_id
)

SELECT
  r.request_id AS search_id,
  r.lines,
  CAST(1 AS BIGINT) AS records,
  CAST(1 AS BIGINT) AS pages,
  CAST(3 AS BIGINT) AS shown_items,
  CAST(1 AS BIGINT) AS events,
  CAST(1 AS BIGINT) AS acted_items,
  r.occurred_at AS searched_at,
  r.client_id,
  r.session_id,
  '' AS query,
  COALESCE(d.day, CAST(:ds AS DATE)) AS day,
  UNIX_SECONDS(r.occurred_at) AS searched_s,
  -- looking at many different items is the breadth of a crawler
  SHA1(r.item_id) AS query_id,
  COALESCE(r.client_id, r.session_id, r.request_id) AS client_key
FROM requests AS r
LEFT JOIN days AS d ON r.occurred_at >= d.day_from AND r.occurred_at < d.day_to
