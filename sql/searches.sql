-- Grain: one row per search_id in the day's log, with its search record if the log has it. Input: log_lines, days.
-- days: the log's own day, and the earlier days that late events may still change.
WITH records AS (
  SELECT
    l.search_id,
    l.user_query,
    l.occurred_at,
    l.hit_ids,
    -- an engine may record one search several times: one with a text, and with the most hits wins
    ROW_NUMBER() OVER (
      PARTITION BY l.search_id
      ORDER BY
        TRIM(l.user_query) = '' ASC, COALESCE(SIZE(l.hit_ids), 0) DESC, l.occurred_at ASC, l.user_query ASC,
        ARRAY_JOIN(l.hit_ids, ' ') ASC
    ) AS record_number
  FROM log_lines AS l
  WHERE l.reason IS NULL AND l.action = 'search'
),

events AS (
  -- partition by search: one shuffle serves the counts of items and of searches
  SELECT /*+ REPARTITION(search_id) */
    l.search_id,
    l.item_id,
    l.action,
    l.counted,
    l.page,
    l.action = 'search' AND TRIM(l.user_query) = '' AS is_textless
  FROM log_lines AS l
  WHERE l.reason IS NULL
),

items AS (
  SELECT
    e.search_id,
    e.item_id,
    SUM(e.counted) AS lines,
    MAX(e.page) AS pages,
    COUNT_IF(e.action = 'search') AS records,
    COUNT_IF(e.is_textless) AS textless,
    COUNT_IF(e.action != 'search') AS events,
    COUNT_IF(e.action = 'impression') AS impressions,
    COUNT_IF(e.action NOT IN ('search', 'impression')) AS acted_items
  FROM events AS e
  GROUP BY e.search_id, e.item_id
),

lines AS (
  SELECT
    i.search_id,
    CAST(SUM(i.lines) AS BIGINT) AS lines,
    CAST(SUM(i.records) AS BIGINT) AS records,
    CAST(SUM(i.textless) AS BIGINT) AS textless,
    CAST(MAX(i.pages) AS BIGINT) AS pages,
    CAST(SUM(i.events) AS BIGINT) AS events,
    -- count items, not lines: repeated or redelivered clicks on one item count once
    COUNT_IF(i.impressions > 0) AS shown_items,
    COUNT_IF(i.acted_items > 0) AS acted_items
  FROM items AS i
  GROUP BY i.search_id
),

ids AS (
  SELECT DISTINCT
    l.search_id,
    -- each search column: l.?,
    l.client_id,
    l.session_id,
    l.action != 'search' AS is_event
  FROM log_lines AS l
  WHERE l.reason IS NULL
),

first_ids AS (
  -- take the minimum over distinct ids: a minimum of texts sorts them, and there are many lines
  SELECT
    i.search_id,
    -- each search column: MIN(i.?) AS ?,
    -- a search engine may log itself as the client: who acted on the page is who searched
    COALESCE(MIN(CASE WHEN i.is_event THEN i.client_id END), MIN(i.client_id)) AS client_id,
    COALESCE(MIN(CASE WHEN i.is_event THEN i.session_id END), MIN(i.session_id)) AS session_id
  FROM ids AS i
  GROUP BY i.search_id
),

cleaned AS (
  SELECT
    l.search_id,
    l.lines,
    l.records,
    l.pages,
    -- records without a text, beside one that has it
    CASE WHEN l.textless < l.records THEN LEAST(l.textless, l.records - l.pages) ELSE 0 END AS textless,
    l.shown_items,
    l.events,
    l.acted_items,
    r.occurred_at AS searched_at,
    r.hit_ids,
    -- each search column: f.?,
    -- raw client and session ids go no further than this
    SHA2(CONCAT(:salt, f.client_id), 256) AS client_id,
    SHA2(CONCAT(:salt, f.session_id), 256) AS session_id,
    CLEAN_QUERY(r.user_query) AS query
  FROM lines AS l
  INNER JOIN first_ids AS f ON l.search_id = f.search_id
  LEFT JOIN records AS r ON l.search_id = r.search_id AND r.record_number = 1
)

SELECT
  c.search_id,
  c.lines,
  c.records,
  c.pages,
  c.textless,
  c.shown_items,
  c.events,
  c.acted_items,
  c.searched_at,
  c.hit_ids,
  -- each search column: c.?,
  c.client_id,
  c.session_id,
  c.query,
  d.day,
  UNIX_SECONDS(c.searched_at) AS searched_s,
  SHA1(c.query) AS query_id,
  -- the best known identity of the searcher: client, session or the search alone
  COALESCE(c.client_id, c.session_id, c.search_id) AS client_key,
  -- a keyed hash: nobody without the secret can test a guessed query
  SUBSTRING(SHA2(CONCAT(:salt, c.query), 256), 1, 16) AS query_key,
  -- searchers without any id count as one person
  SUBSTRING(COALESCE(c.client_id, c.session_id, 'nobody'), 1, 16) AS searcher_key
FROM cleaned AS c
LEFT JOIN days AS d ON c.searched_at >= d.day_from AND c.searched_at < d.day_to
