-- Grain: one row per search_id in the day's log, with the reason of a search that is dropped.
-- Input: bot_flags, common_queries.
SELECT
  b.search_id,
  b.day,
  b.lines,
  b.records,
  b.pages,
  b.textless,
  b.searched_at,
  b.query,
  b.query_id,
  -- each search column: b.?,
  b.client_id,
  b.session_id,
  CASE
    WHEN b.reason IS NOT NULL THEN b.reason
    WHEN c.query_key IS NULL THEN 'rare_query'
    WHEN b.day < CAST(:ds AS DATE) THEN 'earlier_day'
  END AS reason
FROM bot_flags AS b
LEFT JOIN common_queries AS c ON b.query_key = c.query_key
