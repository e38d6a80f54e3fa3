-- Grain: one row per (day, query_id, item_id, position) with its counts. Input: signed_impressions, items.
-- signed_impressions: impressions with their day and a sign: 1 for current rows, -1 for the rows that they replace.
WITH clicked AS (
  SELECT
    s.sign,
    s.day,
    s.query_id,
    s.item_id,
    s.position,
    s.search_id,
    s.searched_at,
    COALESCE(s.client_id, s.session_id) AS voter,
    CASE WHEN s.is_cart THEN 1 ELSE 0 END AS is_cart,
    CASE WHEN s.is_purchase THEN 1 ELSE 0 END AS is_purchase
  FROM signed_impressions AS s
  -- a cart or a purchase straight from the list counts as a click
  WHERE s.is_click OR s.is_cart OR s.is_purchase
),

votes AS (
  -- one vote per person, query, item and day
  SELECT
    c.sign,
    c.day,
    c.query_id,
    c.item_id,
    c.position,
    c.search_id,
    c.searched_at,
    c.voter,
    MAX(c.is_cart) OVER (
      PARTITION BY c.sign, c.day, c.voter, c.item_id, c.query_id
    ) AS carts,
    MAX(c.is_purchase) OVER (
      PARTITION BY c.sign, c.day, c.voter, c.item_id, c.query_id
    ) AS purchases,
    ROW_NUMBER() OVER (
      PARTITION BY c.sign, c.day, c.voter, c.item_id, c.query_id
      ORDER BY c.searched_at ASC, c.search_id ASC
    ) AS place
  FROM clicked AS c
),

deduplicated AS (
  SELECT
    v.sign,
    v.day,
    v.query_id,
    v.item_id,
    v.position,
    v.carts,
    v.purchases,
    ROW_NUMBER() OVER (
      PARTITION BY v.sign, v.day, v.voter, v.item_id
      ORDER BY v.searched_at ASC, v.search_id ASC
    ) AS place
  FROM votes AS v
  WHERE v.place = 1
),

counted AS (
  SELECT
    s.day,
    s.query_id,
    s.item_id,
    s.position,
    s.sign AS impressions,
    0 AS clicks,
    0 AS carts,
    0 AS purchases
  FROM signed_impressions AS s
  UNION ALL
  SELECT
    d.day,
    d.query_id,
    d.item_id,
    d.position,
    0 AS impressions,
    d.sign AS clicks,
    d.sign * d.carts AS carts,
    d.sign * d.purchases AS purchases
  FROM deduplicated AS d
  -- limit the votes of one person for one item, whatever the queries: click farms push few items
  WHERE d.place <= :max_item_votes
),

summed AS (
  SELECT
    c.day,
    c.query_id,
    c.item_id,
    c.position,
    CAST(SUM(c.impressions) AS INT) AS impressions,
    CAST(SUM(c.clicks) AS INT) AS clicks,
    CAST(SUM(c.carts) AS INT) AS carts,
    CAST(SUM(c.purchases) AS INT) AS purchases
  FROM counted AS c
  GROUP BY c.day, c.query_id, c.item_id, c.position
)

SELECT
  s.day,
  s.query_id,
  s.item_id,
  i.group_id,
  s.position,
  s.impressions,
  s.clicks,
  s.carts,
  s.purchases
FROM summed AS s
LEFT JOIN items AS i ON s.item_id = i.item_id AND s.clicks != 0
WHERE s.impressions != 0 OR s.clicks != 0 OR s.carts != 0 OR s.purchases != 0
