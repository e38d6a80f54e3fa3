-- Grain: one row per (query_id, item_id) that a rule judges. Input: rule_rows, queries, qrels.
-- reason: why a rule's judgement is dropped; NULL for the qrels themselves. qrels: what people judged.
SELECT
  r.query_id,
  r.item_id,
  r.relevance,
  q.split,
  'rules' AS source,
  1 AS judgements,
  0 AS unreadable,
  CASE
    WHEN q.query_id IS NULL THEN 'query_unknown'
    -- a rule teaches and never judges
    WHEN q.split != 'train' THEN 'rule_not_of_train'
    WHEN j.query_id IS NOT NULL THEN 'judged_by_people'
  END AS reason
FROM rule_rows AS r
LEFT JOIN queries AS q ON r.query_id = q.query_id
LEFT JOIN qrels AS j ON r.query_id = j.query_id AND r.item_id = j.item_id
