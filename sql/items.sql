-- Grain: one row per row of the catalogue, with the reason of a row that is dropped. Input: catalogue_rows.
WITH cleaned AS (
  SELECT
    r.file,
    r.block,
    r.line,
    r.raw,
    r.malformed,
    TRIM(r.item_id) AS item_id,
    r.price AS price_text,
    r.attributes AS attributes_text,
    -- a control character separates words like a space
    TRIM(REGEXP_REPLACE(r.title, '[\\p{Cntrl}\\s]+', ' ')) AS title,
    -- category is a path as text, or a JSON array
    REGEXP_REPLACE(
      TRIM(
        CASE
          WHEN STARTSWITH(r.category, '[')
            THEN ARRAY_JOIN(FROM_JSON(r.category, 'ARRAY<STRING>'), ' > ')
          ELSE COALESCE(r.category, '')
        END
      ), '\\s*>\\s*', ' > '
    ) AS category,
    TRIM(COALESCE(r.brand, '')) AS brand,
    MAP_FILTER(
      COALESCE(FROM_JSON(r.attributes, 'MAP<STRING,STRING>'), MAP()),
      (k, v) -> v IS NOT NULL AND TRIM(v) != ''
    ) AS attributes,
    TRY_CAST(r.price AS DOUBLE) AS price,
    NULLIF(TRIM(r.group_id), '') AS group_id
  FROM catalogue_rows AS r
),

checked AS (
  SELECT
    c.file,
    c.block,
    c.line,
    c.raw,
    c.item_id,
    c.title,
    c.category,
    c.brand,
    c.attributes,
    CASE WHEN c.price >= 0 AND c.price < DOUBLE('Infinity') THEN c.price END AS price,
    c.group_id,
    CASE
      WHEN c.malformed THEN 'malformed'
      WHEN COALESCE(c.item_id, '') = '' THEN 'no_item_id'
      WHEN LENGTH(c.item_id) > 256 OR RLIKE(c.item_id, '\\p{Cntrl}') THEN 'bad_item_id'
      WHEN COALESCE(c.title, '') = '' THEN 'no_title'
    END AS reason,
    TRIM(c.price_text) != ''
    AND NOT COALESCE(c.price >= 0 AND c.price < DOUBLE('Infinity'), FALSE) AS price_repaired,
    TRIM(c.attributes_text) != ''
    AND FROM_JSON(c.attributes_text, 'MAP<STRING,STRING>') IS NULL AS attributes_repaired
  FROM cleaned AS c
),

ranked AS (
  -- the last row of an item_id is the newest: later files and later lines win
  SELECT
    k.file,
    k.raw,
    k.item_id,
    k.title,
    k.category,
    k.brand,
    k.attributes,
    k.price,
    k.group_id,
    k.reason,
    k.price_repaired,
    k.attributes_repaired,
    ROW_NUMBER() OVER (
      PARTITION BY
        CASE WHEN k.reason IS NULL THEN k.item_id ELSE CONCAT(k.file, k.block, k.line) END
      ORDER BY k.reason ASC NULLS FIRST, k.file DESC, k.block DESC, k.line DESC
    ) AS age,
    CONCAT_WS(
      ' | ',
      k.title,
      NULLIF(REPLACE(k.category, ' > ', ' '), ''),
      NULLIF(k.brand, ''),
      NULLIF(
        ARRAY_JOIN(TRANSFORM(ARRAY_SORT(MAP_ENTRIES(k.attributes)), e -> e.value), ' '), ''
      )
    ) AS text
  FROM checked AS k
)

SELECT
  r.item_id,
  r.title,
  r.category,
  r.brand,
  r.attributes,
  r.price,
  COALESCE(r.group_id, r.item_id) AS group_id,
  r.text,
  SHA1(r.text) AS content_hash,
  r.file,
  r.raw,
  COALESCE(r.price_repaired, FALSE) AS price_repaired,
  COALESCE(r.attributes_repaired, FALSE) AS attributes_repaired,
  CASE WHEN r.reason IS NULL AND r.age > 1 THEN 'duplicate' ELSE r.reason END AS reason
FROM ranked AS r
