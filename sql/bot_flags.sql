-- Grain: one row per search_id in the day's log, its place in a session, and why it is not used.
-- Input: searches.
WITH timed AS (
  SELECT
    s.search_id,
    s.day,
    s.client_key,
    s.searched_s,
    s.query_id,
    s.impressions,
    s.acts,
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

seated AS (
  -- a session starts with a client's first search and after every long pause
  SELECT
    t.search_id,
    MAX(
      CASE WHEN t.pause_s IS NULL OR t.pause_s > 60 * :session_minutes THEN t.searched_s END
    ) OVER (PARTITION BY t.client_key, t.day ORDER BY t.searched_s ASC) AS session_start_s
  FROM timed AS t
),

steps AS (
  SELECT
    t.client_key,
    t.day,
    t.query_id,
    t.impressions,
    t.acts,
    t.last_minute,
    CASE WHEN t.pause_s <= 60 * :session_minutes THEN t.pause_s END AS gap_s
  FROM timed AS t
),

clients AS (
  SELECT
    p.client_key,
    p.day,
    COUNT(*) AS searches,
    COUNT(DISTINCT p.query_id) AS queries,
    MAX(p.last_minute) AS busiest_minute,
    COUNT(p.gap_s) AS gaps,
    SUM(p.gap_s) AS gap_sum,
    SUM(p.gap_s * p.gap_s) AS gap_squares,
    SUM(p.impressions) AS shown,
    SUM(p.acts) AS acts
  FROM steps AS p
  GROUP BY p.client_key, p.day
),

watched AS (
  -- the rules stand in README, with what they find of simulated robots
  SELECT
    c.client_key,
    c.day,
    CASE
      WHEN c.busiest_minute > :max_searches_per_minute THEN 'bot_rate'
      WHEN
        c.gaps >= :bot_min_searches
        -- deviation / mean, squared on both sides, in whole numbers
        AND c.gaps * c.gap_squares - c.gap_sum * c.gap_sum
        <= :bot_gap_deviation * :bot_gap_deviation * c.gap_sum * c.gap_sum
        THEN 'bot_regular'
      WHEN
        c.queries >= :bot_min_queries AND c.queries >= :bot_breadth * c.searches
        THEN 'bot_breadth'
      WHEN
        c.shown >= :bot_min_shown AND c.acts >= :bot_click_frac * c.shown
        THEN 'bot_clicks_all'
      WHEN c.searches >= :bot_silent_searches AND c.acts = 0 THEN 'bot_silent'
    END AS reason
  FROM clients AS c
)

SELECT
  s.search_id,
  s.day,
  s.lines,
  s.records,
  s.impressions,
  s.events,
  s.searched_at,
  s.query,
  s.query_id,
  s.query_key,
  s.searcher_key,
  s.client_id,
  COALESCE(s.session_id, SHA1(CONCAT(s.client_key, '/', t.session_start_s))) AS session_id,
  CASE
    WHEN s.records = 0 THEN 'no_search'
    WHEN s.day IS NULL THEN 'outside_day'
    WHEN w.reason IS NOT NULL THEN w.reason
    WHEN s.query = '' THEN 'empty_query'
    -- nothing is left of it but masks
    WHEN s.query = '<personal>' THEN 'personal_data'
    WHEN LENGTH(s.query) > :max_query_chars THEN 'query_too_long'
    WHEN s.events = 0 AND COALESCE(SIZE(s.hit_ids), 0) = 0 THEN 'nothing_shown'
  END AS reason
FROM searches AS s
LEFT JOIN seated AS t ON s.search_id = t.search_id
LEFT JOIN watched AS w ON s.client_key = w.client_key AND s.day = w.day
