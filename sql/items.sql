-- Grain: one row per row of the catalogue; reason says why it is no item. Input: catalogue_rows.
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
    -- control characters part words in a title as a space does
    TRIM(REGEXP_REPLACE(r.title, '[\\p{Cntrl}\\s]+', ' ')) AS title,
    -- a path as text, or as a JSON array
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

judged AS (
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
    AND NOT COALESCE(c.price >= 0 AND c.price < DOUBLE('Infinity'), FALSE) AS price_mended,
    TRIM(c.attributes_text) != ''
    AND FROM_JSON(c.attributes_text, 'MAP<STRING,STRING>') IS NULL AS attributes_mended
  FROM cleaned AS c
),

ranked AS (
  -- the last row of an item_id is its newest: later files and later lines win
  SELECT
    j.file,
    j.raw,
    j.item_id,
    j.title,
    j.category,
    j.brand,
    j.attributes,
    j.price,
    j.group_id,
    j.reason,
    j.price_mended,
    j.attributes_mended,
    ROW_NUMBER() OVER (
      PARTITION BY
        CASE WHEN j.reason IS NULL THEN j.item_id ELSE CONCAT(j.file, j.block, j.line) END
      ORDER BY j.reason ASC NULLS FIRST, j.file DESC, j.block DESC, j.line DESC
    ) AS age,
    CONCAT_WS(
      ' | ',
      j.title,
      NULLIF(REPLACE(j.category, ' > ', ' '), ''),
      NULLIF(j.brand, ''),
      NULLIF(
        ARRAY_JOIN(TRANSFORM(ARRAY_SORT(MAP_ENTRIES(j.attributes)), e -> e.value), ' '), ''
      )
    ) AS text
  FROM judged AS j
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
  COALESCE(r.price_mended, FALSE) AS price_mended,
  COALESCE(r.attributes_mended, FALSE) AS attributes_mended,
  CASE WHEN r.reason IS NULL AND r.age > 1 THEN 'duplicate' ELSE r.reason END AS reason
FROM ranked AS r
