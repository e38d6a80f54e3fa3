-- Grain: one row per line of the log that says what somebody did to an item. Input: item_lines, request_flags,
-- filtered_searches, late_impressions, days.
-- item_lines: clicks, carts and purchases of searches, and events outside any (is_browse). request_flags: bot_flags of
-- searches and browse_requests. late_impressions: what the log adds to searches of earlier days.
-- reason: why a row is dropped; NULL for the events themselves.
WITH bots AS (
  SELECT DISTINCT r.client_id
  FROM request_flags AS r
  WHERE r.client_id IS NOT NULL AND STARTSWITH(r.reason, 'bot_')
),

late_searches AS (
  SELECT
    l.search_id,
    MIN(l.query_id) AS query_id,
    MIN(l.client_id) AS client_id,
    MIN(l.session_id) AS session_id
  FROM late_impressions AS l
  GROUP BY l.search_id
),

events AS (
  SELECT
    l.search_id,
    l.item_id,
    l.action,
    l.placement,
    l.occurred_at,
    l.is_browse,
    CASE
      WHEN l.is_browse
        THEN
          SHA1(
            CONCAT_WS('/', l.client_id, l.session_id, l.item_id, l.action, CAST(UNIX_MILLIS(l.occurred_at) AS STRING))
          )
      ELSE l.search_id
    END AS request_id
  FROM item_lines AS l
  WHERE l.item_id != ''
)

SELECT
  e.search_id,
  -- a query that few people typed stays in the raw zone, and the hash of a short text can be guessed
  COALESCE(
    s.query_id, CASE WHEN f.reason IS NULL OR f.reason = 'earlier_day' THEN f.query_id END
  ) AS query_id,
  COALESCE(s.client_id, r.client_id) AS client_id,
  COALESCE(
    s.session_id, r.session_id, SHA1(CONCAT(COALESCE(r.client_id, e.request_id), '/', CAST(:ds AS STRING)))
  ) AS session_id,
  e.item_id,
  e.action,
  COALESCE(
    e.placement,
    CASE
      WHEN e.action = 'view' THEN 'offer_page'
      WHEN NOT e.is_browse THEN 'search'
      WHEN e.action = 'click' THEN 'listing'
      ELSE 'basket'
    END
  ) AS placement,
  e.occurred_at,
  -- what follows a search after midnight still belongs to the day
  COALESCE(d.day, CAST(:ds AS DATE)) AS day,
  CASE
    WHEN r.reason = 'erased' OR STARTSWITH(r.reason, 'bot_') THEN r.reason
    WHEN b.client_id IS NOT NULL THEN 'bot_client'
  END AS reason
FROM events AS e
LEFT JOIN request_flags AS r ON e.request_id = r.search_id
LEFT JOIN bots AS b ON r.client_id = b.client_id
LEFT JOIN filtered_searches AS f ON e.search_id = f.search_id
LEFT JOIN late_searches AS s ON e.search_id = s.search_id
LEFT JOIN days AS d ON e.occurred_at >= d.day_from AND e.occurred_at < d.day_to
