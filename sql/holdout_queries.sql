-- Grain: one row per session that holds an item out, as a query: its given items. Input: holdout_sessions.
-- searches: training sessions with the last given item; the segment says how much is known of it.
WITH items AS (
  SELECT
    h.session_id,
    EXPLODE(h.given) AS item_id
  FROM holdout_sessions AS h
  WHERE h.split = 'train'
  UNION DISTINCT
  SELECT
    h.session_id,
    h.target AS item_id
  FROM holdout_sessions AS h
  WHERE h.split = 'train'
),

support AS (
  SELECT
    i.item_id,
    COUNT(*) AS sessions
  FROM items AS i
  GROUP BY i.item_id
)

SELECT
  h.query_id,
  ARRAY_JOIN(h.given, ' ') AS query,
  COALESCE(s.sessions, 0) AS searches,
  CASE
    WHEN COALESCE(s.sessions, 0) = 0 THEN 'unseen'
    WHEN s.sessions < :cold_support THEN 'tail'
    WHEN s.sessions < :head_support THEN 'torso'
    ELSE 'head'
  END AS segment,
  h.split
FROM holdout_sessions AS h
LEFT JOIN support AS s ON ELEMENT_AT(h.given, SIZE(h.given)) = s.item_id
