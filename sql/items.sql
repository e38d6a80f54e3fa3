-- Grain: one row per row of the catalogue, with the reason of a row that is dropped. Input: catalogue_rows.
WITH cleaned AS (
  SELECT
    r.file,
    r.block,
    r.line,
    r.raw,
    r.malformed,
    CLEAN_ID(r.item_id) AS item_id,
    CLEAN_ID(r.group_id) AS group_id,
    CLEAN_VALUE(r.title) AS title,
    CLEAN_VALUE(r.brand) AS brand,
    CLEAN_VALUE(r.price) AS price,
    CLEAN_VALUE(r.currency) AS currency,
    CLEAN_JSON(r.attributes) AS attributes,
    -- all arrows between levels are one
    REGEXP_REPLACE(
      REGEXP_REPLACE(CLEAN_JSON(r.category), '^(\\{ ?".{0,}\\})$', '[$1]'),
      '\\s*(?:(?:[-=]?>|[»›→])\\s*)+', ' > '
    ) AS category
  FROM catalogue_rows AS r
),

split AS (
  SELECT
    c.file,
    c.block,
    c.line,
    c.raw,
    c.malformed,
    c.item_id,
    c.group_id,
    c.title,
    c.brand,
    c.price,
    c.currency,
    c.attributes,
    CASE
      -- a JSON array: of levels, or of paths
      WHEN RLIKE(c.category, '^\\[ ?(?:["{\\[].{0,}["}\\]]|[0-9., ]*) ?\\]$')
        THEN TRANSFORM(
          FROM_JSON(c.category, 'ARRAY<STRING>'),
          e -> CASE
            WHEN STARTSWITH(e, '[') THEN CONCAT(ARRAY_JOIN(FROM_JSON(e, 'ARRAY<STRING>'), ' > '), ' > ')
            WHEN STARTSWITH(e, '{') THEN COALESCE(GET_JSON_OBJECT(e, '$.path'), GET_JSON_OBJECT(e, '$.name'))
            ELSE e
          END
        )
    END AS category_list,
    CASE
      -- Magento: every path begins at the root and has slashes
      WHEN STARTSWITH(c.category, 'Default Category/')
        THEN TRANSFORM(
          SPLIT(c.category, '[,|](?=Default Category(?:/|$))'),
          p -> REPLACE(REGEXP_REPLACE(p, '^Default Category/?', ''), '/', ' > ')
        )
      WHEN NOT (CONTAINS(c.category, '>') AND RLIKE(c.category, '[,;|]')) THEN ARRAY(c.category)
      -- WooCommerce: "A > B, C > D" are two paths, "\," is a comma. A comma stays in a name that goes on with "and":
      -- "Care > Perfume, Cologne & Fragrance > Unisex" is one path, unless its first level comes again
      ELSE TRANSFORM(
        SPLIT(
          REPLACE(
            REGEXP_REPLACE(REPLACE(c.category, '\\,', CHAR(2)), '^([^>]+), (?=\\1 > )', ''),
            CONCAT(', ', SUBSTRING_INDEX(c.category, ' > ', 1), ' > '),
            CONCAT(CHAR(1), SUBSTRING_INDEX(c.category, ' > ', 1), ' > ')
          ),
          CONCAT(
            CHAR(1), '|(?<=> [^,;|>]{1,200}) ?(?:[;|]|,(?![^>,;|]* (?:&|and|und|i|et|y|e|og|och|en) )) ?',
            '(?=[^,;|>]+ > )'
          )
        ),
        p -> REPLACE(
          CASE
            WHEN ENDSWITH(p, CONCAT(', ', SUBSTRING_INDEX(c.category, ' > ', 1)))
              THEN LEFT(p, LENGTH(p) - LENGTH(SUBSTRING_INDEX(c.category, ' > ', 1)) - 2)
            ELSE p
          END, CHAR(2), ','
        )
      )
    END AS category_paths,
    CASE
      WHEN STARTSWITH(c.attributes, '{') THEN MAP_ENTRIES(FROM_JSON(c.attributes, 'MAP<STRING,STRING>'))
      -- a list of objects: each is a name and its value, or names and values of its own
      WHEN RLIKE(c.attributes, '^\\[ ?\\{')
        THEN FLATTEN(TRANSFORM(
          TRANSFORM(FROM_JSON(c.attributes, 'ARRAY<MAP<STRING,STRING>>'), e -> MAP_ENTRIES(e)),
          fields -> CASE
            WHEN
              EXISTS(fields, f -> RLIKE(f.key, '^(?i:name|key|code|label|attribute(?:_name|_code)?)$'))
              AND EXISTS(fields, f -> RLIKE(f.key, '^(?i:values?|options?|attribute_value|data)$'))
              THEN ARRAY(NAMED_STRUCT(
                'key', GET(FILTER(
                  fields,
                  f -> RLIKE(f.key, '^(?i:name|key|code|label|attribute(?:_name|_code)?)$')
                ), 0).value,
                'value', GET(FILTER(
                  fields, f -> RLIKE(f.key, '^(?i:values?|options?|attribute_value|data)$')
                ), 0).value
              ))
            ELSE fields
          END
        ))
      WHEN STARTSWITH(c.attributes, '[')
        THEN TRANSFORM(
          FROM_JSON(c.attributes, 'ARRAY<STRING>'), (e, place) -> NAMED_STRUCT('key', STRING(place + 1), 'value', e)
        )
      -- Magento: name=value,name=value
      WHEN RLIKE(c.attributes, '^[^,|;:=]{1,60}[:=]')
        THEN TRANSFORM(
          SPLIT(c.attributes, ' ?[,|;] ?(?=[^,|;:=]{1,60}[:=])'),
          p -> NAMED_STRUCT('key', GET(SPLIT(p, ' ?[:=] ?', 2), 0), 'value', GET(SPLIT(p, ' ?[:=] ?', 2), 1))
        )
    END AS attribute_entries,
    -- a cheap test first: most prices are digits and a sign
    CASE WHEN NOT RLIKE(c.price, '^[0-9.,]*$') THEN REGEXP_EXTRACT(c.price, :money, 1) END AS currency_before,
    CASE WHEN NOT RLIKE(c.price, '^[0-9.,]*$') THEN REGEXP_EXTRACT(c.price, :money, 3) END AS currency_after,
    -- an amount without what groups its digits but points and commas
    CASE
      WHEN RLIKE(c.price, '^[0-9.,]*[0-9]$') THEN c.price
      ELSE REGEXP_REPLACE(
        REGEXP_EXTRACT(c.price, :money, 2), '(?<=[0-9])[ \\x27’](?=[0-9]{3}(?![0-9]))|[., ]+$', ''
      )
    END AS amount
  FROM cleaned AS c
),

signed AS (
  SELECT
    s.file,
    s.block,
    s.line,
    s.raw,
    s.malformed,
    s.item_id,
    s.group_id,
    s.title,
    s.brand,
    s.price,
    s.amount,
    s.attributes,
    s.attribute_entries,
    COALESCE(NULLIF(s.currency_before, ''), NULLIF(s.currency_after, ''), NULLIF(s.currency, '')) AS currency,
    FILTER(
      TRANSFORM(
        CASE
          WHEN s.category_list IS NULL THEN s.category_paths
          WHEN EXISTS(s.category_list, p -> CONTAINS(p, ' > ')) THEN s.category_list
          ELSE ARRAY(ARRAY_JOIN(s.category_list, ' > '))
        END,
        p -> REGEXP_REPLACE(p, '^[ >]+|[ >]+$', '')
      ),
      p -> p != ''
    ) AS paths,
    FILTER(
      TRANSFORM(
        s.attribute_entries,
        e -> NAMED_STRUCT(
          'key', TRIM(e.key),
          'value', CASE
            -- of a nested value only the leaves stay
            WHEN RLIKE(e.value, '^ ?[\\[{].{0,}[\\]}] ?$')
              THEN REGEXP_REPLACE(
                TRIM(REGEXP_REPLACE(
                  REGEXP_REPLACE(
                    e.value,
                    CONCAT(
                      '"[^"\\\\]*+(?:\\\\.[^"\\\\]*+)*+" ?:|"([^"\\\\]*+(?:\\\\.[^"\\\\]*+)*+)"',
                      '|[\\[\\]{},\\s]+|null'
                    ),
                    ' $1'
                  ), ' +', ' '
                )), '\\\\(["\\\\/])', '$1'
              )
            ELSE TRIM(e.value)
          END
        )
      ),
      e -> e.key IS NOT NULL AND e.value != ''
    ) AS entries,
    -- which sign is before the decimals: an amount tells, or, like 1.299, can be read in both ways
    CASE
      WHEN RLIKE(s.amount, '^[1-9][0-9]{0,2}[.,][0-9]{3}$') THEN 'either'
      WHEN RLIKE(s.amount, '^[0-9]{1,3}(?:\\.[0-9]{3})+,[0-9]+$|^[0-9]{1,3}(?:\\.[0-9]{3}){2,}$|^[0-9]*,[0-9]+$')
        THEN 'comma'
      WHEN
        RLIKE(
          s.amount,
          '^[0-9]{1,3}(?:,[0-9]{2,3})*,[0-9]{3}\\.[0-9]+$|^[0-9]{1,3}(?:,[0-9]{2,3})+,[0-9]{3}$|^[0-9]*\\.[0-9]+$'
        )
        THEN 'point'
    END AS decimal_sign
  FROM split AS s
),

checked AS (
  SELECT
    g.file,
    g.block,
    g.line,
    g.raw,
    g.item_id,
    NULLIF(g.group_id, '') AS group_id,
    g.title,
    COALESCE(g.brand, '') AS brand,
    g.currency,
    g.decimal_sign,
    -- a path that another one continues says nothing
    COALESCE(
      ARRAY_DISTINCT(FILTER(g.paths, p -> NOT EXISTS(g.paths, o -> STARTSWITH(o, CONCAT(p, ' > '))))), ARRAY()
    ) AS categories,
    CASE
      WHEN g.entries IS NULL THEN MAP()
      WHEN SIZE(ARRAY_DISTINCT(g.entries.key)) = SIZE(g.entries) THEN MAP_FROM_ENTRIES(g.entries)
      -- a name given several times keeps all its values
      ELSE MAP_FROM_ENTRIES(TRANSFORM(
        ARRAY_DISTINCT(g.entries.key),
        k -> NAMED_STRUCT(
          'key', k, 'value', ARRAY_JOIN(ARRAY_DISTINCT(FILTER(g.entries, e -> e.key = k).value), ' ')
        )
      ))
    END AS attributes,
    CASE
      WHEN RLIKE(g.price, '^[0-9]+(?:\\.[0-9]+)?[eE][-+]?[0-9]+$') THEN TRY_CAST(g.price AS DOUBLE)
      WHEN RLIKE(g.amount, '^[0-9]+$') THEN TRY_CAST(g.amount AS DOUBLE)
      WHEN g.decimal_sign = 'comma' OR (g.decimal_sign = 'either' AND :decimal_comma)
        THEN TRY_CAST(REPLACE(REPLACE(g.amount, '.', ''), ',', '.') AS DOUBLE)
      WHEN g.decimal_sign IS NOT NULL THEN TRY_CAST(REPLACE(g.amount, ',', '') AS DOUBLE)
    END AS price,
    CASE
      WHEN g.malformed THEN 'malformed'
      WHEN ARRAY_CONTAINS(:absent, LOWER(COALESCE(g.item_id, ''))) THEN 'no_item_id'
      -- 1.23457E+12: Excel, or a float of 17 digits, has rounded it, so that different items have one id
      WHEN RLIKE(g.item_id, '^[0-9][.,][0-9]+(?:[eE]\\+[0-9]{2}|E1[0-9])$|^[0-9]e\\+1[0-9]$') THEN 'rounded_item_id'
      WHEN LENGTH(g.item_id) > 256 OR RLIKE(g.item_id, '\\p{Cntrl}|^[{\\[]"') THEN 'bad_item_id'
      WHEN COALESCE(g.title, '') = '' THEN 'no_title'
      -- a title in each of several languages
      WHEN RLIKE(g.title, '^\\{ ?".{0,}\\}$') THEN 'several_titles'
    END AS reason,
    COALESCE(g.price, '') != '' AS has_price,
    COALESCE(g.attributes, '') != '' AND g.attribute_entries IS NULL AS attributes_repaired
  FROM signed AS g
),

ranked AS (
  -- the last row of an item_id is the newest: later files and later lines win
  SELECT
    k.file,
    k.raw,
    k.item_id,
    k.title,
    k.categories,
    k.brand,
    k.attributes,
    CASE WHEN k.price < DOUBLE('Infinity') THEN k.price END AS price,
    CASE WHEN RLIKE(k.currency, '^[A-Za-z]{3}$') THEN UPPER(k.currency) ELSE k.currency END AS currency,
    k.group_id,
    k.reason,
    k.decimal_sign,
    k.has_price,
    k.attributes_repaired,
    ROW_NUMBER() OVER (
      PARTITION BY
        CASE WHEN k.reason IS NULL THEN k.item_id ELSE CONCAT(k.file, k.block, k.line) END
      ORDER BY k.reason ASC NULLS FIRST, k.file DESC, k.block DESC, k.line DESC
    ) AS age,
    CONCAT_WS(
      ' | ',
      k.title,
      -- the words of all paths, so that each leads to the item
      NULLIF(REPLACE(ARRAY_JOIN(k.categories, ' '), ' > ', ' '), ''),
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
  COALESCE(GET(r.categories, 0), '') AS category,
  r.categories,
  r.brand,
  r.attributes,
  r.price,
  r.currency,
  COALESCE(r.group_id, r.item_id) AS group_id,
  r.text,
  SHA1(r.text) AS content_hash,
  r.file,
  r.raw,
  r.decimal_sign,
  r.has_price,
  r.has_price AND r.price IS NULL AS price_repaired,
  COALESCE(r.attributes_repaired, FALSE) AS attributes_repaired,
  CASE WHEN r.reason IS NULL AND r.age > 1 THEN 'duplicate' ELSE r.reason END AS reason
FROM ranked AS r
