-- Grain: one row per (query_id, item_id) judged. Input: qrels.
-- reason: why a judgement makes no pair; NULL for the pairs themselves.
SELECT
  j.query_id,
  j.item_id,
  -- a judgement counts as one impression that was clicked
  1 AS clicks,
  0 AS carts,
  0 AS purchases,
  1 AS impressions,
  -- never zero: a pair of weight 0 would silently leave the loss
  CAST(GREATEST(j.relevance - :zero_gain, 0.000001) AS FLOAT) AS weight,
  CAST(:ds AS DATE) AS last_day,
  j.split,
  CASE WHEN j.relevance < :min_relevance THEN 'not_relevant' END AS reason
FROM qrels AS j
