-- Grain: one row per application whose events state one of the first two places, 0 or 1. Input: log_lines.
WITH lowest AS (
  -- deeper places say nothing about the first one: later pages and clicks begin anywhere
  SELECT
    l.application,
    l.search_id,
    MIN(l.ordinal) AS ordinal,
    MIN(CASE WHEN l.action = 'impression' THEN l.ordinal END) AS shown
  FROM log_lines AS l
  WHERE l.reason IS NULL AND l.action != 'search' AND l.ordinal <= 1
  GROUP BY l.application, l.search_id
)

SELECT
  w.application,
  COUNT(*) AS searches,
  COUNT(w.shown) AS shown,
  COUNT(CASE WHEN w.shown = 0 THEN 1 END) AS shown_from_zero,
  -- UBI does not define the first ordinal: most of the searches decide, never one line
  2 * COUNT_IF(w.ordinal = 0) > COUNT(*) AS is_zero_based
FROM lowest AS w
GROUP BY w.application
