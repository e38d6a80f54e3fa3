-- Grain: one row per (query_id, item_id) clicked in the window. Input: click_counts, propensities, items,
-- queries. reason says why a pair is not kept: NULL for the pairs themselves.
WITH worths AS (
  SELECT
    a.query_id,
    a.item_id,
    a.group_id,
    a.day,
    a.impressions,
    a.clicks,
    a.carts,
    a.purchases,
    -- what was done, against how likely the place is to be looked at at all
    (a.clicks + :cart_weight * a.carts + :purchase_weight * a.purchases)
    * LEAST(1 / p.propensity, :max_weight)
    -- a click of half_life_days ago counts half; 0 stands for no decay
    * CASE
      WHEN :half_life_days > 0
        THEN POWER(0.5, DATEDIFF(CAST(:ds AS DATE), a.day) / :half_life_days)
      ELSE 1.0
    END AS worth
  FROM click_counts AS a
  INNER JOIN propensities AS p ON LEAST(a.position, :max_position) = p.position
  WHERE a.day >= CAST(:first_day AS DATE)
),

counted AS (
  SELECT
    w.query_id,
    w.item_id,
    MAX(w.group_id) AS group_id,
    SUM(w.clicks) AS clicks,
    SUM(w.carts) AS carts,
    SUM(w.purchases) AS purchases,
    SUM(w.impressions) AS impressions,
    -- summed as whole millionths: a sum of floats would depend on the order of the rows
    SUM(CAST(ROUND(w.worth * 1000000) AS BIGINT)) AS worth_e6,
    MAX(CASE WHEN w.clicks > 0 THEN w.day END) AS last_day
  FROM worths AS w
  GROUP BY w.query_id, w.item_id
  HAVING SUM(w.clicks) > 0
),

offers AS (
  -- offers of one product: those that have ended leave their clicks to the living one clicked most
  SELECT
    c.query_id,
    c.item_id,
    c.clicks,
    c.carts,
    c.purchases,
    c.impressions,
    c.worth_e6,
    c.last_day,
    t.item_id IS NULL AS is_ended,
    COALESCE(t.group_id, c.group_id, c.item_id) AS group_id,
    COALESCE(SUBSTRING_INDEX(t.category, ' > ', :topic_depth), '') AS topic,
    FIRST_VALUE(t.item_id) OVER (
      PARTITION BY c.query_id, COALESCE(t.group_id, c.group_id, c.item_id)
      ORDER BY
        CASE WHEN t.item_id IS NULL THEN 1 ELSE 0 END ASC, c.worth_e6 DESC, c.item_id ASC
    ) AS heir
  FROM counted AS c
  LEFT JOIN items AS t ON c.item_id = t.item_id
),

inherited AS (
  SELECT
    o.query_id,
    CASE WHEN o.is_ended AND o.heir IS NOT NULL THEN o.heir ELSE o.item_id END AS item_id,
    o.group_id,
    o.clicks,
    o.carts,
    o.purchases,
    o.impressions,
    o.worth_e6,
    o.last_day,
    o.topic,
    o.is_ended AND o.heir IS NULL AS is_lost
  FROM offers AS o
),

merged AS (
  SELECT
    i.query_id,
    i.item_id,
    i.group_id,
    MAX(i.topic) AS topic,
    BOOL_OR(i.is_lost) AS is_lost,
    SUM(i.clicks) AS clicks,
    SUM(i.carts) AS carts,
    SUM(i.purchases) AS purchases,
    SUM(i.impressions) AS impressions,
    SUM(i.worth_e6) AS worth_e6,
    MAX(i.last_day) AS last_day
  FROM inherited AS i
  GROUP BY i.query_id, i.item_id, i.group_id
),

weighed AS (
  SELECT
    m.query_id,
    m.item_id,
    m.clicks,
    m.carts,
    m.purchases,
    m.impressions,
    m.worth_e6,
    m.last_day,
    m.topic,
    m.is_lost,
    SUM(m.clicks) OVER (PARTITION BY m.query_id, m.group_id) AS group_clicks,
    SUM(m.clicks) OVER (PARTITION BY m.query_id) AS query_clicks,
    SUM(m.worth_e6) OVER (PARTITION BY m.query_id, m.topic) AS topic_e6,
    SUM(m.worth_e6) OVER (PARTITION BY m.query_id) AS query_e6
  FROM merged AS m
)

SELECT
  w.query_id,
  w.item_id,
  CAST(w.clicks AS INT) AS clicks,
  CAST(w.carts AS INT) AS carts,
  CAST(w.purchases AS INT) AS purchases,
  CAST(w.impressions AS INT) AS impressions,
  -- never zero: a pair without weight would silently leave the loss
  CAST(GREATEST(w.worth_e6, 1) / 1000000 AS FLOAT) AS weight,
  w.last_day,
  q.split,
  CASE
    -- support is that of the product, whichever of its offers was clicked
    WHEN w.group_clicks < :min_clicks THEN 'too_few_clicks'
    WHEN w.is_lost THEN 'item_ended'
    WHEN q.query_id IS NULL THEN 'query_unknown'
    -- a case is clicked now and then where telephones are asked for
    WHEN
      w.query_clicks >= :topic_clicks
      AND w.topic_e6 < :min_topic_frac * w.query_e6
      -- an item that nobody has put anywhere may be one
      AND w.topic != ''
      THEN 'off_topic'
  END AS reason
FROM weighed AS w
LEFT JOIN queries AS q ON w.query_id = q.query_id
