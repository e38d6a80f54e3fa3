"""Order files of a shop -> one Spark frame of raw lines, whatever the shop calls its columns.

CSV (plain or .gz; comma, semicolon, tab or bar), NDJSON or Parquet. `invoice`, `item_id` and a time are needed;
quantity, price, customer and title are used where they are there. sql/order_lines.sql interprets the lines.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from jobs.ingest import spark_readers as rawfiles
from jobs.ingest.inspect import damaged
from jobs.ingest.scan import scan
from jobs.lake.read import Pinned
from jobs.platform.csv_text import CsvError, check_csv

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

# our name -> names in small letters, without anything between the letters
NAMES: dict[str, tuple[str, ...]] = {
    "invoice": (
        "invoice",
        "invoiceno",
        "invoiceid",
        "orderid",
        "orderno",
        "ordernumber",
        "order",
        "transactionid",
        "incrementid",
    ),
    "item_id": ("itemid", "stockcode", "sku", "productid", "productcode", "offerid", "item", "lineitemsku"),
    "quantity": ("quantity", "qty", "units", "lineitemquantity"),
    "price": ("price", "unitprice", "itemprice", "amount", "lineitemprice"),
    "customer": ("customer", "customerid", "clientid", "userid", "buyerid"),
    "occurred": ("time", "timestamp", "invoicedate", "orderdate", "orderedat", "createdat", "purchasedate", "date"),
    "title": ("title", "description", "lineitemname", "name", "productname", "itemname"),
    "status": ("status", "orderstatus", "financialstatus", "state"),
}
NEEDED = ("invoice", "item_id", "occurred")
# a file without these columns says nothing against its lines
GIVEN = {"quantity": "'1'", "price": "'1'"}
PLACE = ("file", "block", "line", "malformed")
NUMBERS = r"'^([0-9]{1,2})[/-]([0-9]{1,2})(?:[/-][0-9]{4}|/[0-9]{2}(?:[^0-9]|$))'"
# orders of which nothing was bought in the end, in the words of shops; `wc-cancelled` is WooCommerce's
UNDONE = ("cancelled", "canceled", "refunded", "voided", "failed", "returned", "chargeback")


def parse_columns(text: str) -> dict[str, str]:
    """A shop's own names of columns, `invoice=nr,occurred=data` -> our name: the file's.

    Raises:
        ValueError: a part is not name=column, or the name is none of ours.
    """
    renamed = {}
    for part in filter(None, text.split(",")):
        name, _, column = (word.strip() for word in part.partition("="))
        if name not in NAMES or not column:
            raise ValueError(f"order_columns: found {part!r}, expected name=column with one of {', '.join(NAMES)}")
        renamed[name] = column
    return renamed


def order_rows(spark: SparkSession, orders: Pinned, renamed: Mapping[str, str]) -> DataFrame:
    """Lines of all files: file, block and line (their order), malformed, and the columns of NAMES as text.

    Raises:
        ValueError: a file is damaged, of another kind, or lacks a column that is needed.
    """
    if flaws := [f"{file['name']}: {file['reason']}" for file in damaged(orders)]:
        raise ValueError(f"{orders.partition}: {'; '.join(flaws)}; expected whole files; deliver the day again")
    files = rawfiles.by_kind(orders, ("parquet", "csv", "lines"))
    frames = []
    for uri in files["csv"]:
        try:
            header = check_csv(uri)
        except CsvError as error:
            raise ValueError(f"{orders.partition}: {uri.rsplit('/', 1)[-1]}: {error}") from None
        columns = _named(orders, uri, header.names, renamed)
        picked = {name: f"_{header.names.index(column)}" for name, column in columns.items()}
        frames.append(rawfiles.csv_rows(spark, uri, header).selectExpr(*PLACE, *_selected(picked)))
    for uri in files["lines"]:
        columns = _named(orders, uri, _keys(uri), renamed)
        rows = rawfiles.json_lines(spark, [uri], _fields(columns)).where("raw != ''")
        frames.append(rows.selectExpr(*PLACE, *_selected(_in_record(columns))))
    for uris, names in rawfiles.parquet_groups(files["parquet"]):
        columns = _named(orders, uris[0], names, renamed)
        rows = rawfiles.parquet_records(spark, uris, _fields(columns))
        frames.append(rows.selectExpr(*PLACE, *_selected(_in_record(columns))))
    return rawfiles.union(frames)


def day_first(rows: DataFrame, orders: Pinned, date_order: str) -> bool:
    """Whether 3/4/2026 is the third of April: as the setting says, else by a number above 12 somewhere in the files.

    Raises:
        ValueError: no date tells, or dates of both kinds are there.
    """
    if date_order != "auto":
        return date_order == "day"
    first, second = rows.selectExpr(
        f"max(try_cast(regexp_extract(trim(occurred), {NUMBERS}, 1) AS INT))",
        f"max(try_cast(regexp_extract(trim(occurred), {NUMBERS}, 2) AS INT))",
    ).collect()[0]
    if first is None or (first > 12) != (second > 12):
        return bool(first and first > 12)
    found = "dates of both orders" if first > 12 else "no date that tells which number is the month"
    raise ValueError(
        f"{orders.partition}: found {found}, such as {first}/{second}; expected one order of day and month: say"
        " --date_order day or --date_order month, or export dates as 2026-01-31"
    )


def columns_of(names: Sequence[str], renamed: Mapping[str, str]) -> dict[str, str]:
    """Our name -> the file's own, by the shop's setting or by the first of NAMES that the file has.

    Raises:
        ValueError: two columns have that name.
    """
    plain: dict[str, list[str]] = {}
    for name in names:
        plain.setdefault(re.sub(r"[^a-z0-9]", "", name.lower()), []).append(name)
    columns = {}
    for ours, theirs in NAMES.items():
        if ours in renamed:
            candidates = [name for name in names if name == renamed[ours]]
        else:
            candidates = next((plain[each] for each in theirs if each in plain), [])
        if len(candidates) > 1:
            raise ValueError(f"has the column {candidates[0]} twice; leave one of them")
        if candidates:
            columns[ours] = candidates[0]
    return columns


def _named(orders: Pinned, uri: str, names: Sequence[str], renamed: Mapping[str, str]) -> dict[str, str]:
    try:
        columns = columns_of(names, renamed)
    except ValueError as error:
        raise ValueError(f"{orders.partition}: {uri.rsplit('/', 1)[-1]} {error}") from None
    if missing := [name for name in NEEDED if name not in columns]:
        raise ValueError(
            f"{orders.partition}: {uri.rsplit('/', 1)[-1]} has no column for {', '.join(missing)}; found"
            f" {', '.join(names)}, expected names such as {', '.join(NAMES[missing[0]][:4])}; say which it is:"
            f" --order_columns {missing[0]}=..."
        )
    return columns


def _keys(uri: str) -> list[str]:
    """Names of fields in the sample of a file of JSON lines."""
    keys: dict[str, None] = {}
    for line in scan(uri).lines:
        try:
            record = json.loads(line)
        except ValueError:
            continue
        keys |= dict.fromkeys(record if isinstance(record, dict) else ())
    return list(keys)


def _fields(columns: Mapping[str, str]) -> str:
    return ", ".join(f"`{name.replace('`', '``')}` STRING" for name in columns.values())


def _in_record(columns: Mapping[str, str]) -> dict[str, str]:
    return {ours: f"record.`{name.replace('`', '``')}`" for ours, name in columns.items()}


def _selected(columns: Mapping[str, str]) -> Iterable[str]:
    return [f"{columns.get(name) or GIVEN.get(name, 'CAST(NULL AS STRING)')} AS {name}" for name in NAMES]
