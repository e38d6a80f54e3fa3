-- Grain: one row per search_id in the day's log; reason says why it is not kept. Input: attributed.
WITH timed AS (
  SELECT
    s.search_id,
    s.query,
    s.searched_at,
    s.searched_s,
    s.client_id,
    s.session_id,
    s.lines,
    s.duplicates,
    s.client_key,
    s.shown,
    s.unplaced,
    SIZE(FILTER(s.shown, i -> i.is_seen)) AS seen,
    SIZE(FILTER(s.shown, i -> i.is_seen AND i.is_click)) AS seen_and_clicked,
    COUNT(s.searched_s) OVER (
      PARTITION BY s.client_key ORDER BY s.searched_s ASC
      RANGE BETWEEN 59 PRECEDING AND CURRENT ROW
    ) AS last_minute,
    s.searched_s - LAG(s.searched_s) OVER (
      PARTITION BY s.client_key ORDER BY s.searched_s ASC
    ) AS pause_s
  FROM attributed AS s
),

watched AS (
  SELECT
    t.search_id,
    t.query,
    t.searched_at,
    t.client_id,
    t.session_id,
    t.lines,
    t.duplicates,
    t.client_key,
    t.shown,
    t.unplaced,
    -- a session starts with a client's first search and after every long pause
    MAX(
      CASE WHEN t.pause_s IS NULL OR t.pause_s > 60 * :session_minutes THEN t.searched_s END
    ) OVER (PARTITION BY t.client_key ORDER BY t.searched_s ASC) AS session_start_s,
    MAX(t.last_minute) OVER (PARTITION BY t.client_key) AS busiest_minute,
    SUM(t.seen) OVER (PARTITION BY t.client_key) AS client_seen,
    SUM(t.seen_and_clicked) OVER (PARTITION BY t.client_key) AS client_clicked
  FROM timed AS t
)

SELECT
  w.search_id,
  w.query,
  w.searched_at,
  w.client_id,
  w.shown,
  w.lines,
  w.duplicates,
  w.unplaced,
  COALESCE(w.session_id, SHA1(CONCAT(w.client_key, '/', w.session_start_s))) AS session_id,
  CASE
    WHEN w.searched_at IS NULL THEN 'no_search'
    -- a machine asks faster than people type, or clicks whatever it is shown
    WHEN w.busiest_minute > :max_searches_per_minute THEN 'bot'
    WHEN
      w.client_seen >= :bot_min_shown AND w.client_clicked >= :bot_click_frac * w.client_seen
      THEN 'bot'
    WHEN w.query = '' THEN 'empty_query'
    WHEN LENGTH(w.query) > :max_query_chars THEN 'query_too_long'
    WHEN SIZE(w.shown) = 0 THEN 'nothing_shown'
  END AS reason
FROM watched AS w
