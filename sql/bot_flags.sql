-- Grain: one row per search_id in the day's log, with its session and the reason of a search that is dropped.
-- Input: searches, erased_clients.
WITH shared_clients AS (
  -- one id with so many sessions is no person: a placeholder, or a server that logs itself
  SELECT s.client_id
  FROM searches AS s
  WHERE s.client_id IS NOT NULL AND s.session_id IS NOT NULL
  GROUP BY s.client_id
  HAVING COUNT(DISTINCT s.session_id) > :max_client_sessions
),

identified AS (
  SELECT
    s.search_id,
    s.day,
    s.searched_s,
    s.searched_at,
    s.query,
    s.query_id,
    s.events,
    s.shown_items,
    s.acted_items,
    p.client_id IS NOT NULL AS is_shared,
    CASE WHEN p.client_id IS NULL THEN s.client_key ELSE COALESCE(s.session_id, s.search_id) END AS client_key
  FROM searches AS s
  LEFT JOIN shared_clients AS p ON s.client_id = p.client_id
  WHERE s.day IS NOT NULL
),

followed AS (
  SELECT
    i.search_id,
    i.day,
    i.client_key,
    i.is_shared,
    i.searched_s,
    i.searched_at,
    i.query,
    i.query_id,
    i.events,
    i.shown_items,
    i.acted_items,
    LEAD(i.query) OVER in_time AS next_query,
    LEAD(i.searched_s) OVER in_time AS next_s,
    LEAD(i.query, 2) OVER in_time AS second_query,
    LEAD(i.searched_s, 2) OVER in_time AS second_s
  FROM identified AS i
  WINDOW in_time AS (
    PARTITION BY i.client_key, i.day ORDER BY i.searched_s ASC, i.searched_at ASC, i.search_id ASC
  )
),

typed AS (
  -- a box that searches at every key: the text goes on within seconds, and nothing was shown.
  -- After a space the text is the same once more
  SELECT
    f.search_id,
    f.day,
    f.client_key,
    f.is_shared,
    f.searched_s,
    f.searched_at,
    f.query_id,
    f.shown_items,
    f.acted_items,
    COALESCE(
      f.events = 0 AND f.query != ''
      AND (
        (f.next_s - f.searched_s <= :typing_s AND f.next_query != f.query AND STARTSWITH(f.next_query, f.query))
        OR (
          f.second_s - f.searched_s <= :typing_s AND f.next_query = f.query
          AND f.second_query != f.query AND STARTSWITH(f.second_query, f.query)
        )
      ),
      FALSE
    ) AS is_typed_on
  FROM followed AS f
),

timed AS (
  SELECT
    t.search_id,
    t.day,
    t.client_key,
    t.is_shared,
    t.searched_s,
    t.query_id,
    t.shown_items,
    t.acted_items,
    t.is_typed_on,
    COUNT(CASE WHEN t.is_typed_on THEN NULL ELSE t.searched_s END) OVER (
      PARTITION BY t.client_key, t.day ORDER BY t.searched_s ASC
      RANGE BETWEEN 59 PRECEDING AND CURRENT ROW
    ) AS last_minute,
    t.searched_s - MAX(CASE WHEN t.is_typed_on THEN NULL ELSE t.searched_s END) OVER (
      PARTITION BY t.client_key, t.day ORDER BY t.searched_s ASC, t.searched_at ASC, t.search_id ASC
      ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
    ) AS pause_s
  FROM typed AS t
),

sessionised AS (
  -- a session starts with a client's first search and after every long pause
  SELECT
    t.search_id,
    t.client_key,
    t.is_shared,
    t.is_typed_on,
    MAX(
      CASE WHEN t.pause_s IS NULL OR t.pause_s > 60 * :session_minutes THEN t.searched_s END
    ) OVER (PARTITION BY t.client_key, t.day ORDER BY t.searched_s ASC) AS session_start_s
  FROM timed AS t
),

gaps_by_search AS (
  SELECT
    t.client_key,
    t.day,
    t.query_id,
    t.shown_items,
    t.acted_items,
    t.last_minute,
    CASE WHEN t.pause_s <= 60 * :session_minutes THEN t.pause_s END AS gap_s
  FROM timed AS t
  WHERE NOT t.is_typed_on
),

clients AS (
  SELECT
    g.client_key,
    g.day,
    COUNT(*) AS searches,
    COUNT(DISTINCT g.query_id) AS queries,
    MAX(g.last_minute) AS busiest_minute,
    COUNT(g.gap_s) AS gaps,
    SUM(g.gap_s) AS gap_sum,
    SUM(g.gap_s * g.gap_s) AS gap_squares,
    SUM(g.shown_items) AS shown_items,
    SUM(g.acted_items) AS acted_items
  FROM gaps_by_search AS g
  GROUP BY g.client_key, g.day
),

bot_flags AS (
  -- jobs/ingest/README.md lists the rules, with their recall on simulated bots
  SELECT
    c.client_key,
    c.day,
    CASE
      WHEN c.busiest_minute > :max_searches_per_minute THEN 'bot_rate'
      WHEN
        c.gaps >= :bot_min_searches
        -- standard deviation / mean, squared on both sides, in whole numbers
        AND c.gaps * c.gap_squares - c.gap_sum * c.gap_sum
        <= :bot_gap_deviation * :bot_gap_deviation * c.gap_sum * c.gap_sum
        THEN 'bot_regular'
      WHEN
        c.queries >= :bot_min_queries AND c.queries >= :bot_breadth * c.searches
        THEN 'bot_breadth'
      WHEN
        c.shown_items >= :bot_min_shown AND c.acted_items >= :bot_click_frac * c.shown_items
        THEN 'bot_clicks_all'
      WHEN c.searches >= :bot_silent_searches AND c.acted_items = 0 THEN 'bot_silent'
    END AS reason
  FROM clients AS c
)

SELECT
  s.search_id,
  s.day,
  s.lines,
  s.records,
  s.pages,
  s.textless,
  s.searched_at,
  s.query,
  s.query_id,
  s.query_key,
  -- each search column: s.?,
  CASE WHEN t.is_shared THEN SUBSTRING(COALESCE(s.session_id, 'nobody'), 1, 16) ELSE s.searcher_key END AS searcher_key,
  CASE WHEN t.is_shared THEN NULL ELSE s.client_id END AS client_id,
  COALESCE(s.session_id, SHA1(CONCAT(COALESCE(t.client_key, s.client_key), '/', t.session_start_s))) AS session_id,
  CASE
    WHEN e.client_id IS NOT NULL THEN 'erased'
    WHEN s.records = 0 THEN 'no_search'
    WHEN s.day IS NULL THEN 'outside_day'
    WHEN t.is_typed_on THEN 'typed_on'
    WHEN b.reason IS NOT NULL THEN b.reason
    WHEN s.query = '' THEN 'empty_query'
    -- only masked personal data is left
    WHEN s.query = '<personal>' THEN 'personal_data'
    WHEN LENGTH(s.query) > :max_query_chars THEN 'query_too_long'
    WHEN s.events = 0 AND COALESCE(SIZE(s.hit_ids), 0) = 0 THEN 'nothing_shown'
  END AS reason
FROM searches AS s
LEFT JOIN sessionised AS t ON s.search_id = t.search_id
LEFT JOIN erased_clients AS e ON s.client_id = e.client_id
LEFT JOIN bot_flags AS b ON COALESCE(t.client_key, s.client_key) = b.client_key AND s.day = b.day
