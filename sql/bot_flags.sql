-- Grain: one row per search_id in the day's log, with its session and the reason of a search that is dropped.
-- Input: searches.
WITH timed AS (
  SELECT
    s.search_id,
    s.day,
    s.client_key,
    s.searched_s,
    s.query_id,
    s.shown_items,
    s.acted_items,
    COUNT(s.searched_s) OVER (
      PARTITION BY s.client_key, s.day ORDER BY s.searched_s ASC
      RANGE BETWEEN 59 PRECEDING AND CURRENT ROW
    ) AS last_minute,
    s.searched_s - LAG(s.searched_s) OVER (
      PARTITION BY s.client_key, s.day ORDER BY s.searched_s ASC
    ) AS pause_s
  FROM searches AS s
  WHERE s.day IS NOT NULL
),

sessionised AS (
  -- a session starts with a client's first search and after every long pause
  SELECT
    t.search_id,
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
  s.searched_at,
  s.query,
  s.query_id,
  s.query_key,
  s.searcher_key,
  -- each search column: s.?,
  s.client_id,
  COALESCE(s.session_id, SHA1(CONCAT(s.client_key, '/', t.session_start_s))) AS session_id,
  CASE
    WHEN s.records = 0 THEN 'no_search'
    WHEN s.day IS NULL THEN 'outside_day'
    WHEN b.reason IS NOT NULL THEN b.reason
    WHEN s.query = '' THEN 'empty_query'
    -- only masked personal data is left
    WHEN s.query = '<personal>' THEN 'personal_data'
    WHEN LENGTH(s.query) > :max_query_chars THEN 'query_too_long'
    WHEN s.events = 0 AND COALESCE(SIZE(s.hit_ids), 0) = 0 THEN 'nothing_shown'
  END AS reason
FROM searches AS s
LEFT JOIN sessionised AS t ON s.search_id = t.search_id
LEFT JOIN bot_flags AS b ON s.client_key = b.client_key AND s.day = b.day
