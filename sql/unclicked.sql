-- Grain: one row per (query_id, item_id) shown in the window. Input: click_counts, propensities, items, queries.
-- reason: why it is no negative; NULL for items that were viewed and never clicked.
WITH viewed AS (
  SELECT
    c.query_id,
    c.item_id,
    SUM(c.impressions) AS impressions,
    SUM(c.clicks + c.carts + c.purchases) AS actions,
    -- in whole millionths: a sum of floats would depend on the order of the rows
    SUM(CAST(ROUND(c.impressions * p.propensity * 1000000) AS BIGINT)) AS expected_e6
  FROM click_counts AS c
  INNER JOIN propensities AS p ON LEAST(c.position, :max_position) = p.position
  WHERE c.day >= CAST(:first_day AS DATE)
  GROUP BY c.query_id, c.item_id
)

SELECT
  v.query_id,
  v.item_id,
  CAST(v.impressions AS INT) AS impressions,
  CAST(v.expected_e6 / 1000000 AS FLOAT) AS expected_clicks,
  CASE
    WHEN v.actions > 0 THEN 'clicked'
    WHEN v.expected_e6 < :min_expected_clicks * 1000000 THEN 'few_views'
    WHEN t.item_id IS NULL THEN 'item_ended'
    WHEN q.query_id IS NULL THEN 'query_unknown'
  END AS reason
FROM viewed AS v
LEFT JOIN items AS t ON v.item_id = t.item_id
LEFT JOIN queries AS q ON v.query_id = q.query_id
