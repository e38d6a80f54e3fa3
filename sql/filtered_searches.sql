-- Grain: one row per search_id in the day's log, and why it is not kept. Input: visits,
-- common_queries.
SELECT
  v.search_id,
  v.day,
  v.lines,
  v.records,
  v.searched_at,
  v.query,
  v.query_id,
  v.client_id,
  v.session_id,
  CASE
    WHEN v.reason IS NOT NULL THEN v.reason
    WHEN c.query_key IS NULL THEN 'rare_query'
    WHEN v.day < CAST(:ds AS DATE) THEN 'earlier_day'
  END AS reason
FROM visits AS v
LEFT JOIN common_queries AS c ON v.query_key = c.query_key
