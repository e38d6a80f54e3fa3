-- Grain: one row per (query_id, item_id) clicked in the window. Input: impressions, items, queries.
-- reason says why a pair is not kept: NULL for the pairs themselves.
WITH acts AS (
  SELECT
    i.query_id,
    i.item_id,
    -- a cart or a purchase straight from the list is as good as a click
    i.is_click OR i.is_cart OR i.is_purchase AS is_click,
    CAST(i.searched_at AS DATE) AS searched_on,
    -- inverse propensity: a place is looked at with probability 1 / position ^ eta
    LEAST(POWER(CAST(i.position AS DOUBLE), :eta), :max_weight)
    -- a click of half_life_days ago counts half; 0 stands for no decay
    * CASE
      WHEN :half_life_days > 0
        THEN POWER(
          0.5, DATEDIFF(CAST(:ds AS DATE), CAST(i.searched_at AS DATE)) / :half_life_days
        )
      ELSE 1.0
    END AS worth
  FROM impressions AS i
),

counted AS (
  SELECT
    a.query_id,
    a.item_id,
    CAST(SUM(CASE WHEN a.is_click THEN 1 ELSE 0 END) AS INT) AS clicks,
    CAST(COUNT(*) AS INT) AS impressions,
    -- summed as whole millionths: a sum of floats would depend on the order of the rows
    SUM(CASE WHEN a.is_click THEN CAST(ROUND(a.worth * 1000000) AS BIGINT) ELSE 0 END) AS worth_e6,
    MAX(CASE WHEN a.is_click THEN a.searched_on END) AS last_day
  FROM acts AS a
  GROUP BY a.query_id, a.item_id
),

weighed AS (
  SELECT
    c.query_id,
    c.item_id,
    c.clicks,
    c.impressions,
    c.last_day,
    -- never zero: a pair without weight would silently leave the loss
    CAST(GREATEST(c.worth_e6, 1) / 1000000 AS FLOAT) AS weight,
    c.clicks < :min_clicks AS is_rare
  FROM counted AS c
  WHERE c.clicks > 0
)

SELECT
  w.query_id,
  w.item_id,
  w.clicks,
  w.impressions,
  w.weight,
  w.last_day,
  q.split,
  CASE
    WHEN w.is_rare THEN 'too_few_clicks'
    WHEN t.item_id IS NULL THEN 'item_ended'
    WHEN q.query_id IS NULL THEN 'query_unknown'
  END AS reason
FROM weighed AS w
LEFT JOIN items AS t ON w.item_id = t.item_id
LEFT JOIN queries AS q ON w.query_id = q.query_id
