-- Grain: one row per search_id in the day's log, with its record if there is one. Input: log_lines,
-- days (the log's own day, and those before it that may still be added to).
WITH records AS (
  SELECT
    l.search_id,
    l.user_query,
    l.occurred_at,
    l.hit_ids,
    -- an engine may record one search several times: the record with the longest answer speaks
    ROW_NUMBER() OVER (
      PARTITION BY l.search_id
      ORDER BY
        COALESCE(SIZE(l.hit_ids), 0) DESC, l.occurred_at ASC, l.user_query ASC,
        ARRAY_JOIN(l.hit_ids, ' ') ASC
    ) AS place
  FROM log_lines AS l
  WHERE l.reason IS NULL AND l.action = 'search'
),

said AS (
  -- by search: one shuffle serves the counts of items and of searches
  SELECT /*+ REPARTITION(search_id) */
    l.search_id,
    l.item_id,
    l.action
  FROM log_lines AS l
  WHERE l.reason IS NULL
),

items AS (
  SELECT
    s.search_id,
    s.item_id,
    COUNT(*) AS lines,
    COUNT_IF(s.action = 'search') AS records,
    COUNT_IF(s.action = 'impression') AS impressions,
    COUNT_IF(s.action NOT IN ('search', 'impression')) AS acts
  FROM said AS s
  GROUP BY s.search_id, s.item_id
),

lines AS (
  SELECT
    i.search_id,
    CAST(SUM(i.lines) AS BIGINT) AS lines,
    CAST(SUM(i.records) AS BIGINT) AS records,
    CAST(SUM(i.lines - i.records) AS BIGINT) AS events,
    -- items: a click made ten times, or delivered twice, is no more eager than one
    COUNT_IF(i.impressions > 0) AS impressions,
    COUNT_IF(i.acts > 0) AS acts
  FROM items AS i
  GROUP BY i.search_id
),

names AS (
  SELECT DISTINCT
    l.search_id,
    l.client_id,
    l.session_id
  FROM log_lines AS l
  WHERE l.reason IS NULL
),

people AS (
  -- of distinct names: the least of texts is found by sorting, and lines are many
  SELECT
    p.search_id,
    MIN(p.client_id) AS client_id,
    MIN(p.session_id) AS session_id
  FROM names AS p
  GROUP BY p.search_id
),

named AS (
  SELECT
    n.search_id,
    n.lines,
    n.records,
    n.impressions,
    n.events,
    n.acts,
    r.occurred_at AS searched_at,
    r.hit_ids,
    -- the raw ids of people go no further than this line
    SHA2(CONCAT(:salt, p.client_id), 256) AS client_id,
    SHA2(CONCAT(:salt, p.session_id), 256) AS session_id,
    CLEAN_QUERY(r.user_query) AS query
  FROM lines AS n
  INNER JOIN people AS p ON n.search_id = p.search_id
  LEFT JOIN records AS r ON n.search_id = r.search_id AND r.place = 1
)

SELECT
  n.search_id,
  n.lines,
  n.records,
  n.impressions,
  n.events,
  n.acts,
  n.searched_at,
  n.hit_ids,
  n.client_id,
  n.session_id,
  n.query,
  d.day,
  UNIX_SECONDS(n.searched_at) AS searched_s,
  SHA1(n.query) AS query_id,
  -- who asked, as far as that is known: a client, a visit, a single search
  COALESCE(n.client_id, n.session_id, n.search_id) AS client_key,
  -- without its key a rare query cannot be found again by guessing
  SUBSTRING(SHA2(CONCAT(:salt, n.query), 256), 1, 16) AS query_key,
  -- people whom nothing tells apart count as one
  SUBSTRING(COALESCE(n.client_id, n.session_id, 'nobody'), 1, 16) AS searcher_key
FROM named AS n
LEFT JOIN days AS d ON n.searched_at >= d.day_from AND n.searched_at < d.day_to
