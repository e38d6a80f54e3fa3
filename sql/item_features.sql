-- Grain: one row per item of the catalogue. Input: click_counts, propensities, item_facts, first_days.
-- item_facts: item_id, category, group_id, price, attributes (filled ones). first_days: item_id, first_day of an
-- earlier table. No day after :ds is summed.
WITH values_by_day AS (
  SELECT
    c.item_id,
    c.day,
    DATEDIFF(CAST(:ds AS DATE), c.day) AS age,
    -- whole millionths: a sum of floats would depend on the order of the rows
    CAST(ROUND(c.impressions * p.propensity * 1000000) AS BIGINT) AS examined_e6,
    CAST(ROUND(c.clicks * LEAST(1 / p.propensity, :max_weight) * 1000000) AS BIGINT) AS clicks_e6,
    CAST(ROUND(c.carts * LEAST(1 / p.propensity, :max_weight) * 1000000) AS BIGINT) AS carts_e6,
    CAST(ROUND(c.purchases * LEAST(1 / p.propensity, :max_weight) * 1000000) AS BIGINT) AS purchases_e6
  FROM click_counts AS c
  INNER JOIN propensities AS p ON LEAST(c.position, :max_position) = p.position
  WHERE c.day <= CAST(:ds AS DATE) AND DATEDIFF(CAST(:ds AS DATE), c.day) < 28
),

summed AS (
  SELECT
    v.item_id,
    SUM(CASE WHEN v.age < 1 THEN v.clicks_e6 ELSE 0 END) / 1000000 AS clicks_1,
    SUM(CASE WHEN v.age < 7 THEN v.clicks_e6 ELSE 0 END) / 1000000 AS clicks_7,
    SUM(v.clicks_e6) / 1000000 AS clicks_28,
    SUM(CASE WHEN v.age < 1 THEN v.carts_e6 ELSE 0 END) / 1000000 AS carts_1,
    SUM(CASE WHEN v.age < 7 THEN v.carts_e6 ELSE 0 END) / 1000000 AS carts_7,
    SUM(v.carts_e6) / 1000000 AS carts_28,
    SUM(CASE WHEN v.age < 1 THEN v.purchases_e6 ELSE 0 END) / 1000000 AS purchases_1,
    SUM(CASE WHEN v.age < 7 THEN v.purchases_e6 ELSE 0 END) / 1000000 AS purchases_7,
    SUM(v.purchases_e6) / 1000000 AS purchases_28,
    SUM(v.examined_e6) / 1000000 AS examined_28,
    MAX(v.day) AS last_day
  FROM values_by_day AS v
  GROUP BY v.item_id
),

shop AS (
  SELECT
    COALESCE(SUM(s.clicks_28) / NULLIF(SUM(s.examined_28), 0), 0) AS click_rate,
    :prior_examined AS examined
  FROM summed AS s
),

priced AS (
  SELECT
    t.item_id,
    PERCENT_RANK() OVER (PARTITION BY t.category ORDER BY t.price) AS price_quantile
  FROM item_facts AS t
  WHERE t.price IS NOT NULL
)

SELECT
  t.item_id,
  CAST(COALESCE(s.clicks_1, 0) AS DOUBLE) AS clicks_1,
  CAST(COALESCE(s.clicks_7, 0) AS DOUBLE) AS clicks_7,
  CAST(COALESCE(s.clicks_28, 0) AS DOUBLE) AS clicks_28,
  CAST(COALESCE(s.carts_1, 0) AS DOUBLE) AS carts_1,
  CAST(COALESCE(s.carts_7, 0) AS DOUBLE) AS carts_7,
  CAST(COALESCE(s.carts_28, 0) AS DOUBLE) AS carts_28,
  CAST(COALESCE(s.purchases_1, 0) AS DOUBLE) AS purchases_1,
  CAST(COALESCE(s.purchases_7, 0) AS DOUBLE) AS purchases_7,
  CAST(COALESCE(s.purchases_28, 0) AS DOUBLE) AS purchases_28,
  CAST(COALESCE(s.examined_28, 0) AS DOUBLE) AS examined_28,
  -- a rate of few examinations is mostly that of the shop
  CAST(
    (COALESCE(s.clicks_28, 0) + r.examined * r.click_rate) / (COALESCE(s.examined_28, 0) + r.examined) AS DOUBLE
  ) AS click_rate,
  t.price,
  CAST(p.price_quantile AS DOUBLE) AS price_quantile,
  CAST(GREATEST(DATEDIFF(CAST(:ds AS DATE), COALESCE(d.first_day, CAST(:ds AS DATE))), 0) AS INT) AS age_days,
  CAST(COUNT(*) OVER (PARTITION BY t.group_id) AS INT) AS offers,
  t.attributes,
  -- by trees, when all rows are known
  CAST(NULL AS DOUBLE) AS static_score,
  LEAST(COALESCE(d.first_day, CAST(:ds AS DATE)), CAST(:ds AS DATE)) AS first_day,
  s.last_day
FROM item_facts AS t
CROSS JOIN shop AS r
LEFT JOIN summed AS s ON t.item_id = s.item_id
LEFT JOIN priced AS p ON t.item_id = p.item_id
LEFT JOIN first_days AS d ON t.item_id = d.item_id
