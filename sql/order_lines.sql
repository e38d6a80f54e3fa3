-- Grain: one row per line of the shop's orders, with the reason of a line that is no purchase. Input: order_rows,
-- erased_clients.
-- An invoice is a basket. Its lines have one time, so their order is the only one.
WITH texts AS (
  SELECT
    o.file,
    o.block,
    o.line,
    o.malformed,
    NULLIF(CLEAN_ID(o.invoice), '') AS invoice,
    NULLIF(CLEAN_ID(o.item_id), '') AS item_id,
    TRIM(o.quantity) AS quantity,
    TRIM(o.price) AS price,
    CASE WHEN NOT ARRAY_CONTAINS(:nobody, LOWER(CLEAN_ID(o.customer))) THEN CLEAN_ID(o.customer) END AS customer,
    TRIM(o.occurred) AS occurred,
    NULLIF(LOWER(TRIM(o.title)), '') AS title,
    NULLIF(LOWER(REGEXP_REPLACE(TRIM(o.status), '^wc-', '')), '') AS status,
    -- 12/1/2010 8:26, 12/1/2010 8:26 PM, 01.12.2010, 1-12-2010 08:26:00, 1.12.10
    REGEXP_EXTRACT(TRIM(o.occurred), '^([0-9]{1,2})[./-]([0-9]{1,2})(?:[./-][0-9]{4}|[./][0-9]{2}(?:[^0-9]|$))', 1)
      AS first_number,
    REGEXP_EXTRACT(TRIM(o.occurred), '^([0-9]{1,2})[./-]([0-9]{1,2})(?:[./-][0-9]{4}|[./][0-9]{2}(?:[^0-9]|$))', 2)
      AS second_number,
    REGEXP_EXTRACT(TRIM(o.occurred), '^[0-9]{1,2}[./-][0-9]{1,2}[./-]([0-9]{4}|[0-9]{2}(?:[^0-9:]|$))', 1)
      AS year_number,
    REGEXP_EXTRACT(TRIM(o.occurred), '([0-9]{1,2}):[0-9]{2}', 1) AS hour_number,
    REGEXP_EXTRACT(TRIM(o.occurred), '[0-9]{1,2}(:[0-9]{2}(:[0-9]{2})?)', 1) AS after_hour,
    UPPER(REGEXP_EXTRACT(TRIM(o.occurred), '([AaPp])[.]? ?[Mm][.]?$', 1)) AS half_of_day,
    REGEXP_LIKE(TRIM(o.occurred), '^[0-9]{1,2}[.]') OR :day_first AS is_day_first
  FROM order_rows AS o
),

clocks AS (
  SELECT
    t.file,
    t.block,
    t.line,
    t.malformed,
    t.invoice,
    t.item_id,
    t.quantity,
    t.price,
    t.customer,
    t.title,
    t.status,
    t.occurred,
    t.first_number,
    t.second_number,
    t.year_number,
    t.is_day_first,
    CASE
      WHEN t.hour_number = '' THEN '00:00:00'
      ELSE
        CONCAT(
          LPAD(
            CASE t.half_of_day
              WHEN '' THEN t.hour_number
              WHEN 'A' THEN CAST(CAST(t.hour_number AS INT) % 12 AS STRING)
              ELSE CAST(CAST(t.hour_number AS INT) % 12 + 12 AS STRING)
            END, 2, '0'
          ),
          t.after_hour,
          CASE WHEN LENGTH(t.after_hour) = 3 THEN ':00' ELSE '' END
        )
    END AS clock
  FROM texts AS t
),

timed AS (
  SELECT
    t.file,
    t.block,
    t.line,
    t.malformed,
    t.invoice,
    t.item_id,
    t.quantity,
    t.price,
    t.customer,
    t.title,
    t.status,
    COALESCE(t.occurred, '') = '' AND t.invoice IS NOT NULL AS is_timeless,
    CASE
      WHEN t.year_number != '' AND t.first_number != ''
        THEN
          TO_UTC_TIMESTAMP(
            TRY_CAST(
              CONCAT(
                CONCAT_WS(
                  '-',
                  CASE WHEN LENGTH(t.year_number) = 4 THEN t.year_number ELSE CONCAT('20', LEFT(t.year_number, 2)) END,
                  LPAD(CASE WHEN t.is_day_first THEN t.second_number ELSE t.first_number END, 2, '0'),
                  LPAD(CASE WHEN t.is_day_first THEN t.first_number ELSE t.second_number END, 2, '0')
                ),
                ' ',
                t.clock
              ) AS TIMESTAMP_LTZ
            ), :time_zone
          )
      WHEN SUBSTRING(t.occurred, 5, 1) = '-' AND t.occurred LIKE '%Z' THEN TRY_CAST(t.occurred AS TIMESTAMP_LTZ)
      -- without a zone it is the shop's own clock
      WHEN REGEXP_LIKE(t.occurred, '^[0-9]{4}[-/][0-9]{1,2}[-/][0-9]{1,2}([ T][0-9:.,]*)?$')
        THEN
          TO_UTC_TIMESTAMP(TRY_CAST(REPLACE(REPLACE(t.occurred, '/', '-'), ',', '.') AS TIMESTAMP_LTZ), :time_zone)
      -- `+0100`, ` UTC`, `GMT+1`, `+01:00[Europe/Warsaw]`. BST is Bangladesh's time to Java, and Britain's to a shop
      WHEN SUBSTRING(t.occurred, 5, 1) = '-' AND NOT t.occurred LIKE '%BST'
        THEN
          TRY_CAST(
            REGEXP_REPLACE(
              REPLACE(
                CASE
                  WHEN REGEXP_LIKE(SUBSTRING_INDEX(t.occurred, '[', 1), '([+-][0-9:]+|Z)$')
                    THEN SUBSTRING_INDEX(t.occurred, '[', 1)
                  ELSE t.occurred
                END, ',', '.'
              ), 'z$', 'Z'
            ) AS TIMESTAMP_LTZ
          )
      WHEN
        TRY_CAST(t.occurred AS DOUBLE) BETWEEN 1e12 AND 1e13
        THEN TIMESTAMP_MILLIS(CAST(TRY_CAST(t.occurred AS DOUBLE) AS BIGINT))
      WHEN
        TRY_CAST(t.occurred AS DOUBLE) BETWEEN 1e9 AND 1e10
        THEN TIMESTAMP_MILLIS(CAST(TRY_CAST(t.occurred AS DOUBLE) * 1000 AS BIGINT))
      WHEN
        TRY_CAST(t.occurred AS DOUBLE) BETWEEN 1e18 AND 9e18
        THEN TIMESTAMP_MILLIS(CAST(TRY_CAST(t.occurred AS DOUBLE) / 1000000 AS BIGINT))
    END AS occurred_at
  FROM clocks AS t
),

whole AS (
  -- Shopify names time, status and customer of an order on its first line alone
  SELECT
    t.file,
    t.block,
    t.line,
    t.malformed,
    t.invoice,
    t.item_id,
    t.quantity,
    t.price,
    t.title,
    CASE
      WHEN t.is_timeless THEN COALESCE(t.customer, MIN(t.customer) OVER (PARTITION BY t.invoice)) ELSE t.customer
    END AS customer,
    CASE
      WHEN t.is_timeless THEN COALESCE(t.status, MIN(t.status) OVER (PARTITION BY t.invoice)) ELSE t.status
    END AS status,
    CASE WHEN t.is_timeless THEN MIN(t.occurred_at) OVER (PARTITION BY t.invoice) ELSE t.occurred_at END AS occurred_at
  FROM timed AS t
),

hashed AS (
  SELECT
    t.invoice,
    t.item_id,
    t.quantity,
    t.price,
    t.title,
    t.status,
    t.occurred_at,
    t.malformed,
    CAST(FROM_UTC_TIMESTAMP(t.occurred_at, :time_zone) AS DATE) AS day,
    SHA2(CONCAT(:salt, t.customer), 256) AS client_id,
    -- another word than a session's, so that no invoice has the hash of a session of the log
    SHA2(CONCAT(:salt, 'invoice ', t.invoice), 256) AS session_id,
    CAST(
      ROW_NUMBER() OVER (PARTITION BY t.invoice ORDER BY t.file ASC, t.block ASC, t.line ASC) AS BIGINT
    ) AS line
  FROM whole AS t
)

SELECT
  h.session_id,
  h.client_id,
  h.item_id,
  h.occurred_at,
  h.day,
  h.line,
  h.title,
  CASE
    WHEN h.malformed THEN 'malformed'
    WHEN e.client_id IS NOT NULL THEN 'erased'
    WHEN ARRAY_CONTAINS(:absent, LOWER(COALESCE(h.invoice, ''))) THEN 'no_invoice'
    WHEN ARRAY_CONTAINS(:absent, LOWER(COALESCE(h.item_id, ''))) THEN 'no_item_id'
    -- C536379: an order that was taken back
    WHEN REGEXP_LIKE(h.invoice, '^[Cc][0-9]') OR ARRAY_CONTAINS(:undone, h.status) THEN 'cancelled'
    WHEN h.occurred_at IS NULL THEN 'bad_time'
    WHEN ARRAY_CONTAINS(:service_codes, LOWER(h.item_id)) THEN 'no_product'
    -- the amount does not matter here, so the sign decides whatever the decimal sign is
    WHEN COALESCE(NOT REGEXP_LIKE(h.quantity, '[0-9]'), TRUE) THEN 'bad_quantity'
    WHEN REGEXP_LIKE(h.quantity, '^[(−‒–-]|[0-9]-$') OR NOT REGEXP_LIKE(h.quantity, '[1-9]') THEN 'negative_quantity'
    WHEN COALESCE(REGEXP_LIKE(h.price, '^[(−‒–-]|[0-9]-$') OR NOT REGEXP_LIKE(h.price, '[1-9]'), TRUE) THEN 'no_price'
    WHEN h.day < CAST(:first_day AS DATE) OR h.day > CAST(:ds AS DATE) THEN 'outside_day'
  END AS reason
FROM hashed AS h
LEFT JOIN erased_clients AS e ON h.client_id = e.client_id
