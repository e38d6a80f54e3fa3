-- Grain: one row per search_id that stands for more than one list of results. Input: log_lines.
-- Several people may have one id (a cached answer), several texts (a single-page shop), or several pages that all begin
-- at the first place.
SELECT l.search_id
FROM log_lines AS l
WHERE
  l.reason IS NULL
  AND (
    l.action = 'search'
    OR (
      l.action = 'impression'
      AND l.ordinal = CASE WHEN ARRAY_CONTAINS(:zero_based, l.application) THEN 0 ELSE 1 END
    )
  )
GROUP BY l.search_id
-- compare hashes: a minimum of texts sorts them
HAVING
  MIN(CASE WHEN l.action = 'search' AND TRIM(l.user_query) != '' THEN XXHASH64(LOWER(TRIM(l.user_query))) END)
  != MAX(CASE WHEN l.action = 'search' AND TRIM(l.user_query) != '' THEN XXHASH64(LOWER(TRIM(l.user_query))) END)
  OR MIN(CASE WHEN l.action = 'search' AND l.client_id IS NOT NULL THEN XXHASH64(l.client_id) END)
  != MAX(CASE WHEN l.action = 'search' AND l.client_id IS NOT NULL THEN XXHASH64(l.client_id) END)
  OR MIN(CASE WHEN SIZE(l.hit_ids) > 0 THEN XXHASH64(ARRAY_JOIN(l.hit_ids, ' ')) END)
  != MAX(CASE WHEN SIZE(l.hit_ids) > 0 THEN XXHASH64(ARRAY_JOIN(l.hit_ids, ' ')) END)
  OR MIN(CASE WHEN l.action = 'impression' THEN XXHASH64(l.item_id) END)
  != MAX(CASE WHEN l.action = 'impression' THEN XXHASH64(l.item_id) END)
