"""Catalogue as delivered -> items, checked and deduplicated.

python -m jobs items --catalogue catalogue/ds=2026-01-31 --items items/ds=2026-01-31
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Annotated

from jobs.ingest import spark_readers as rawfiles
from jobs.ingest.inspect import inspect
from jobs.ingest.prices import MONEY, SIGNS, decimal_sign, price_alerts
from jobs.ingest.profile import Profile
from jobs.ingest.scan import MAX_UNPACKED_GB
from jobs.lake.attempt import Attempt
from jobs.lake.partitions import Partition
from jobs.lake.publish import publish
from jobs.lake.read import Pinned, pin
from jobs.platform.arguments import CommandArgs, Fraction, OneOf, PositiveFloat, ZeroOrOne
from jobs.platform.csv_text import csv_header
from jobs.platform.row_counts import RowCounter, published
from jobs.platform.spark import run_sql, spark_session
from jobs.platform.spark_udfs import ABSENT, register_functions

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

log = logging.getLogger(__name__)
NEEDED = ("item_id", "title")
COLUMNS = (*NEEDED, "category", "brand", "attributes", "price", "currency", "group_id")
FIELDS = ", ".join(f"{name} STRING" for name in COLUMNS)
REASONS = ("malformed", "no_item_id", "rounded_item_id", "bad_item_id", "no_title", "several_titles", "duplicate")
# names in the manifest -> what to sum
REPAIRED = ("price_repaired", "attributes_repaired")
REPAIRS = {name.replace("_repaired", " mended"): f"if(reason IS NULL AND {name}, 1, 0)" for name in REPAIRED}
TOLD = {name: f"if(reason IS NULL AND decimal_sign = '{name}', 1, 0)" for name in (*SIGNS, "either")}
PRICES = {"prices": "if(reason IS NULL AND has_price, 1, 0)"} | TOLD
BYTES_PER_FILE = 256 << 20
NAMED = 12  # fields that a message names
# the rule by which sql/items.sql builds an item's text; it enters the space id
TEXT_TEMPLATE = "1: title | category | brand | attribute values by key"


class Args(CommandArgs):
    """catalogue          raw files: Parquet, CSV or NDJSON; item_id and title are required; category, brand,
                       attributes, price, currency and group_id are optional
    items              output; replaced
    max_bad_file_frac  share of the catalogue's bytes in damaged files above which the command stops
    accept_drift       1: somebody looked at the changed columns and accepts them, so no change stops the day
    max_unpacked_gb    size of the unpacked catalogue above which the command stops; a file beyond it is set aside
    decimal_sign       sign before the decimals of a price such as 1.299; auto: as most prices of the catalogue tell
    """

    catalogue: Partition
    items: Partition
    max_bad_file_frac: Fraction = 0.05
    accept_drift: ZeroOrOne = 0
    max_unpacked_gb: PositiveFloat = MAX_UNPACKED_GB
    decimal_sign: Annotated[str, OneOf("auto", *SIGNS)] = "auto"


def main(args: Args) -> dict[str, object]:
    """Read every row, keep the last of each item_id, and put rejected rows into quarantine."""
    delivery = inspect(pin(args.catalogue), args.items, args.max_bad_file_frac, args.accept_drift, args.max_unpacked_gb)
    catalogue = delivery.undamaged
    with spark_session("items") as spark, publish(args.items, args, [catalogue]) as out:
        register_functions(spark)
        rows = catalogue_rows(spark, catalogue)
        sign = "comma" if args.decimal_sign == "comma" else "point"
        checked, counts = _write_items(out, rows, catalogue, sign)
        told = {name: counts[name] for name in TOLD}
        if args.decimal_sign == "auto" and told["either"] and decimal_sign(told) == "comma":
            # only now is it known that some price was read wrongly: read them all once more
            checked, counts = _write_items(out, rows, catalogue, sign := "comma")
        dropped = counts.dropped("rows")
        out.count("catalogue rows", counts["rows"], counts.kept("rows"), dropped)
        _check(args, counts, delivery.profile)
        if dropped:
            _quarantine(out, checked)
        delivery.record(out)
        out.facts["text_template"] = TEXT_TEMPLATE
        out.facts["repairs"] = {name: counts[name] for name in REPAIRS if counts[name]}
        out.facts["prices"] = {"decimal_sign": decimal_sign(told) if args.decimal_sign == "auto" else sign, **told}
    alerts = price_alerts(sign, told, counts["prices"], counts["price mended"])
    for text in alerts:
        log.warning("%s: %s", args.catalogue, text)
    alerts = delivery.alerts + [f"{args.catalogue}: {text}" for text in alerts]
    return {**published(out), "prices": out.facts["prices"], "alerts": alerts}


def _write_items(out: Attempt, rows: DataFrame, catalogue: Pinned, sign: str) -> tuple[DataFrame, RowCounter]:
    settings = {"money": MONEY, "absent": list(ABSENT), "decimal_comma": sign == "comma"}
    checked = run_sql("items", settings, catalogue_rows=rows)
    columns = [*out.partition.table.columns, "reason", "has_price", "decimal_sign", *REPAIRED]
    files = 1 + sum(entry.bytes for entry in catalogue.entries()) // BYTES_PER_FILE
    spread = checked.select(*columns).repartition(files, "item_id")
    counts = RowCounter(spread, REASONS, {"rows": "1"}, {"rows": "1", **REPAIRS, **PRICES})
    counts.write_kept(out, by=["item_id"])
    return checked, counts


def catalogue_rows(spark: SparkSession, catalogue: Pinned) -> DataFrame:
    """Rows of the raw files: file, block and line (their order), raw, malformed, and COLUMNS as text.

    Raises:
        ValueError: there is no file, a file of another kind, or a file without item_id or title.
    """
    files = rawfiles.by_kind(catalogue, ("parquet", "csv", "lines"))
    place = ("file", "block", "line", "raw", "malformed")
    fields = [f"record.{name}" for name in COLUMNS if name != "price"]
    frames = []
    if files["lines"]:
        rows = rawfiles.json_lines(spark, files["lines"], FIELDS).where("raw != ''")
        frames.append(rows.selectExpr(*place, *fields, _price("""rlike(raw, '"price"\\\\s*:\\\\s*[0-9]')""")))
    for uris, columns in rawfiles.parquet_groups(files["parquet"]):
        _check_columns(catalogue, uris[0], columns)
        is_number = "price" in columns and not rawfiles.is_text(uris[0], "price")
        rows = rawfiles.parquet_records(spark, uris, FIELDS)
        frames.append(rows.selectExpr(*place, *fields, _price(str(is_number))))
    for uri in files["csv"]:
        header = csv_header(uri)
        _check_columns(catalogue, uri, header.names)
        numbers = {name: header.names.index(name) for name in COLUMNS if name in header.names}
        wanted = [
            f"_{numbers[name]} AS {name}" if name in numbers else f"CAST(NULL AS STRING) AS {name}" for name in COLUMNS
        ]
        frames.append(rawfiles.csv_rows(spark, uri, header).selectExpr(*place, *wanted))
    return rawfiles.union(frames).select(*place, *COLUMNS)


def _price(is_number: str) -> str:
    """The price; a number such as 1.299 gets a zero, as there is no doubt about its sign."""
    return (
        f"CASE WHEN rlike(record.price, '^[1-9][0-9]{{0,2}}[.][0-9]{{3}}$') AND {is_number}"
        " THEN concat(record.price, '0') ELSE record.price END AS price"
    )


def _check_columns(catalogue: Pinned, uri: str, columns: list[str]) -> None:
    lead = f"{catalogue.partition}: {uri.rsplit('/', 1)[-1]} has"
    if missing := [name for name in NEEDED if name not in columns]:
        raise ValueError(
            f"{lead} no column {', '.join(missing)}; found "
            f"{', '.join(columns)}, expected at least {', '.join(NEEDED)}; repair the export and deliver it again"
        )
    if twice := [name for name in COLUMNS if columns.count(name) > 1]:
        raise ValueError(f"{lead} the column {twice[0]} twice; leave one of them and deliver the file again")


def _check(args: Args, counts: RowCounter, profile: Profile) -> None:
    if not counts.kept("rows"):
        found = sorted({name for kinds in profile["fields"].values() for fields in kinds.values() for name in fields})
        hint = ", where records are wrapped (elasticdump: jq -c ._source)" if "_source" in found else ""
        raise ValueError(
            f"{args.catalogue}: 0 items in {counts['rows']:,} rows (dropped: {counts.dropped('rows')}); expected rows "
            f"with {' and '.join(NEEDED)}, found the fields {', '.join(found[:NAMED]) or 'of none'}{hint}; repair the export"
            " and deliver it again"
        )


def _quarantine(out: Attempt, checked: DataFrame) -> None:
    columns = ("reason", "file", "substring(make_valid_utf8(raw), 1, 500) AS raw")
    out.quarantine(checked.where("reason IS NOT NULL").selectExpr(*columns), by=["reason", "file", "raw"])
