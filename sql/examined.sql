-- Grain: one row per (query_id, item_id, position) of the window, for a sample of the pairs that were clicked and
-- shown at more than one position. Input: click_counts.
WITH summed AS (
  SELECT
    c.query_id,
    c.item_id,
    LEAST(c.position, :max_position) AS position,
    SUM(c.impressions) AS impressions,
    SUM(c.clicks) AS clicks
  FROM click_counts AS c
  WHERE
    c.day >= CAST(:first_day AS DATE)
    AND SUBSTRING(SHA1(CONCAT(c.query_id, c.item_id)), 1, 4) < :sample_below
  GROUP BY c.query_id, c.item_id, LEAST(c.position, :max_position)
),

eligible AS (
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
  e.query_id,
  e.item_id,
  e.position,
  e.impressions,
  e.clicks
FROM eligible AS e
WHERE e.pair_clicks > 0 AND e.pair_positions > 1
