-- Grain: one row per (query_id, item_id, position) of the window, of a sample of the pairs that
-- were clicked and stood at more than one position. Input: click_counts.
WITH summed AS (
  SELECT
    a.query_id,
    a.item_id,
    LEAST(a.position, :max_position) AS position,
    SUM(a.impressions) AS impressions,
    SUM(a.clicks) AS clicks
  FROM click_counts AS a
  WHERE
    a.day >= CAST(:first_day AS DATE)
    AND SUBSTRING(SHA1(CONCAT(a.query_id, a.item_id)), 1, 4) < :sample_below
  GROUP BY a.query_id, a.item_id, LEAST(a.position, :max_position)
),

told AS (
  SELECT
    s.query_id,
    s.item_id,
    s.position,
    s.impressions,
    s.clicks,
    SUM(s.clicks) OVER (PARTITION BY s.query_id, s.item_id) AS pair_clicks,
    COUNT(*) OVER (PARTITION BY s.query_id, s.item_id) AS pair_positions
  FROM summed AS s
  WHERE s.impressions > 0
)

SELECT
  t.query_id,
  t.item_id,
  t.position,
  t.impressions,
  t.clicks
FROM told AS t
WHERE t.pair_clicks > 0 AND t.pair_positions > 1
