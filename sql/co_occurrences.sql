-- Grain: one row per (item_id, other_id) of one session, both ways. Input: session_items.
WITH per_session AS (
  SELECT
    -- a session without a client is a voice of its own
    COALESCE(a.client_id, a.session_id) AS voice,
    a.session_id,
    a.item_id,
    b.item_id AS other_id,
    -- a session weighs by its age: half at half_life_days; 0 turns the decay off
    MAX(
      CASE
        WHEN :half_life_days > 0
          THEN POWER(0.5, DATEDIFF(CAST(:ds AS DATE), a.day) / :half_life_days)
        ELSE 1.0
      END
    ) AS age_weight,
    SUM(
      CASE
        WHEN b.place > a.place AND b.place - a.place <= :max_gap
          THEN a.weight * b.weight / (b.place - a.place)
        ELSE 0.0
      END
    ) AS followed_by,
    SUM(
      CASE
        WHEN a.place > b.place AND a.place - b.place <= :max_gap
          THEN a.weight * b.weight / (a.place - b.place)
        ELSE 0.0
      END
    ) AS preceded_by,
    -- two of three items say more than two of fifty
    MAX(a.weight * b.weight / SQRT(a.n_items)) AS together
  FROM session_items AS a
  INNER JOIN session_items AS b ON a.session_id = b.session_id AND a.item_id != b.item_id
  GROUP BY COALESCE(a.client_id, a.session_id), a.session_id, a.item_id, b.item_id
),

per_voice AS (
  -- one voice per client: nobody makes a pair by repeating it
  SELECT
    s.item_id,
    s.other_id,
    MAX(s.age_weight * s.followed_by) AS followed_by,
    MAX(s.age_weight * s.preceded_by) AS preceded_by,
    MAX(s.age_weight * s.together) AS together
  FROM per_session AS s
  GROUP BY s.voice, s.item_id, s.other_id
),

counted AS (
  SELECT
    v.item_id,
    v.other_id,
    COUNT(*) AS voices,
    -- sum whole millionths: a sum of floats would depend on the order of the rows
    SUM(CAST(ROUND(v.followed_by * 1000000) AS BIGINT)) AS followed_by_e6,
    SUM(CAST(ROUND(v.preceded_by * 1000000) AS BIGINT)) AS preceded_by_e6,
    SUM(CAST(ROUND(v.together * 1000000) AS BIGINT)) AS together_e6
  FROM per_voice AS v
  GROUP BY v.item_id, v.other_id
  HAVING COUNT(*) >= :min_voices
),

supported AS (
  SELECT
    t.item_id,
    COUNT(DISTINCT COALESCE(t.client_id, t.session_id)) AS support
  FROM session_items AS t
  GROUP BY t.item_id
),

placed AS (
  SELECT
    c.item_id,
    c.other_id,
    c.voices,
    c.followed_by_e6,
    c.preceded_by_e6,
    c.together_e6,
    ROW_NUMBER() OVER (
      PARTITION BY c.item_id
      ORDER BY c.followed_by_e6 + c.preceded_by_e6 + c.together_e6 DESC, c.other_id ASC
    ) AS place,
    ROW_NUMBER() OVER (
      PARTITION BY c.other_id
      ORDER BY c.followed_by_e6 + c.preceded_by_e6 + c.together_e6 DESC, c.item_id ASC
    ) AS other_place
  FROM counted AS c
)

SELECT
  p.item_id,
  p.other_id,
  CAST(p.voices AS INT) AS voices,
  CAST(a.support AS INT) AS support,
  CAST(b.support AS INT) AS other_support,
  CAST(p.followed_by_e6 / 1000000 AS FLOAT) AS followed_by,
  CAST(p.preceded_by_e6 / 1000000 AS FLOAT) AS preceded_by,
  CAST(p.together_e6 / 1000000 AS FLOAT) AS together
FROM placed AS p
INNER JOIN supported AS a ON p.item_id = a.item_id
INNER JOIN supported AS b ON p.other_id = b.item_id
-- kept where it is among the best of either side, so a pair is there both ways or not at all
WHERE p.place <= :max_others OR p.other_place <= :max_others
