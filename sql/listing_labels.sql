-- Grain: one row per (query_id, item_id) shown in the window. Input: click_counts, propensities, queries.
-- reason: why the query is dropped; NULL for queries that listings are made of.
WITH summed AS (
  SELECT
    c.query_id,
    c.item_id,
    SUM(c.impressions) AS impressions,
    SUM(c.impressions * c.position) AS places,
    SUM(c.clicks + :cart_weight * c.carts + :purchase_weight * c.purchases) AS value,
    -- whole millionths: a sum of floats would depend on the order of the rows
    SUM(CAST(ROUND(c.impressions * p.propensity * 1000000) AS BIGINT)) / 1000000 AS examined
  FROM click_counts AS c
  INNER JOIN propensities AS p ON LEAST(c.position, :max_position) = p.position
  WHERE c.day >= CAST(:first_day AS DATE) AND c.day <= CAST(:ds AS DATE)
  GROUP BY c.query_id, c.item_id
)

SELECT
  s.query_id,
  q.query,
  q.split,
  s.item_id,
  CAST(GREATEST(s.value, 0) AS DOUBLE) AS value,
  CAST(s.examined AS DOUBLE) AS examined,
  CAST(ROUND(s.places / s.impressions) AS INT) AS position,
  CASE
    WHEN q.query_id IS NULL THEN 'query_unknown'
    WHEN SUBSTRING(s.query_id, 1, 4) >= :sample_below THEN 'not_sampled'
    -- what nobody acted on says nothing about order
    WHEN SUM(GREATEST(s.value, 0)) OVER (PARTITION BY s.query_id) <= 0 THEN 'no_click'
  END AS reason
FROM summed AS s
LEFT JOIN queries AS q ON s.query_id = q.query_id
WHERE s.impressions > 0
