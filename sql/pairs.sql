-- Grain: one row per (query_id, item_id) clicked in the window. Input: click_counts, propensities, items, queries.
-- reason: why a pair is dropped; NULL for the pairs themselves.
WITH values_by_day AS (
  SELECT
    c.query_id,
    c.item_id,
    c.group_id,
    c.day,
    c.impressions,
    c.clicks,
    c.carts,
    c.purchases,
    -- inverse propensity weighting: an action at a position that few people examine counts more
    (c.clicks + :cart_weight * c.carts + :purchase_weight * c.purchases)
    * LEAST(1 / p.propensity, :max_weight)
    -- an action of half_life_days ago counts half; 0 turns the decay off
    * CASE
      WHEN :half_life_days > 0
        THEN POWER(0.5, DATEDIFF(CAST(:ds AS DATE), c.day) / :half_life_days)
      ELSE 1.0
    END AS value
  FROM click_counts AS c
  INNER JOIN propensities AS p ON LEAST(c.position, :max_position) = p.position
  WHERE c.day >= CAST(:first_day AS DATE)
),

counted AS (
  SELECT
    v.query_id,
    v.item_id,
    MAX(v.group_id) AS group_id,
    SUM(v.clicks) AS clicks,
    SUM(v.carts) AS carts,
    SUM(v.purchases) AS purchases,
    SUM(v.impressions) AS impressions,
    -- sum whole millionths: a sum of floats would depend on the order of the rows
    SUM(CAST(ROUND(v.value * 1000000) AS BIGINT)) AS value_e6,
    MAX(CASE WHEN v.clicks > 0 THEN v.day END) AS last_day
  FROM values_by_day AS v
  GROUP BY v.query_id, v.item_id
  HAVING SUM(v.clicks) > 0
),

offers AS (
  -- an ended offer passes its clicks to the current offer of the same product with the highest value
  SELECT
    c.query_id,
    c.clicks,
    c.carts,
    c.purchases,
    c.impressions,
    c.value_e6,
    c.last_day,
    COALESCE(t.item_id, FIRST_VALUE(t.item_id) OVER best_first, c.item_id) AS item_id,
    COALESCE(t.group_id, c.group_id, c.item_id) AS group_id,
    COALESCE(SUBSTRING_INDEX(t.category, ' > ', :topic_depth), '') AS topic,
    FIRST_VALUE(t.item_id) OVER best_first IS NULL AS is_lost
  FROM counted AS c
  LEFT JOIN items AS t ON c.item_id = t.item_id
  WINDOW best_first AS (
    PARTITION BY c.query_id, COALESCE(t.group_id, c.group_id, c.item_id)
    ORDER BY
      CASE WHEN t.item_id IS NULL THEN 1 ELSE 0 END ASC, c.value_e6 DESC, c.item_id ASC
  )
),

merged AS (
  SELECT
    o.query_id,
    o.item_id,
    o.group_id,
    MAX(o.topic) AS topic,
    BOOL_OR(o.is_lost) AS is_lost,
    SUM(o.clicks) AS clicks,
    SUM(o.carts) AS carts,
    SUM(o.purchases) AS purchases,
    SUM(o.impressions) AS impressions,
    SUM(o.value_e6) AS value_e6,
    MAX(o.last_day) AS last_day
  FROM offers AS o
  GROUP BY o.query_id, o.item_id, o.group_id
)

SELECT
  m.query_id,
  m.item_id,
  CAST(m.clicks AS INT) AS clicks,
  CAST(m.carts AS INT) AS carts,
  CAST(m.purchases AS INT) AS purchases,
  CAST(m.impressions AS INT) AS impressions,
  -- never zero: a pair of weight 0 would silently leave the loss
  CAST(GREATEST(m.value_e6, 1) / 1000000 AS FLOAT) AS weight,
  m.last_day,
  q.split,
  CASE
    -- count support over all offers of the product
    WHEN SUM(m.clicks) OVER (PARTITION BY m.query_id, m.group_id) < :min_clicks THEN 'too_few_clicks'
    WHEN m.is_lost THEN 'item_ended'
    WHEN q.query_id IS NULL THEN 'query_unknown'
    -- a phone case is sometimes clicked after a search for a phone: another need, so not relevant
    WHEN
      SUM(m.clicks) OVER of_query >= :topic_clicks
      AND SUM(m.value_e6) OVER (PARTITION BY m.query_id, m.topic)
      < :min_topic_frac * SUM(m.value_e6) OVER of_query
      -- an item without a category may well be on topic
      AND m.topic != ''
      THEN 'off_topic'
  END AS reason
FROM merged AS m
LEFT JOIN queries AS q ON m.query_id = q.query_id
WINDOW of_query AS (PARTITION BY m.query_id)
