"""Catalogue as delivered -> items, checked and deduplicated.

python -m jobs items --catalogue catalogue/ds=2026-01-31 --items items/ds=2026-01-31
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobs.ingest import spark_readers as rawfiles
from jobs.ingest.inspect import inspect
from jobs.ingest.scan import MAX_UNPACKED_GB
from jobs.lake.attempt import Attempt
from jobs.lake.partitions import Partition
from jobs.lake.publish import publish
from jobs.lake.read import Pinned, pin
from jobs.platform.arguments import CommandArgs, Fraction, PositiveFloat, ZeroOrOne
from jobs.platform.row_counts import RowCounter, published
from jobs.platform.spark import run_sql, spark_session

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

NEEDED = ("item_id", "title")
COLUMNS = (*NEEDED, "category", "brand", "attributes", "price", "group_id")
FIELDS = ", ".join(f"{name} STRING" for name in COLUMNS)
REASONS = ("malformed", "no_item_id", "bad_item_id", "no_title", "duplicate")
# names in the manifest -> what to sum
REPAIRS = {f"{name} mended": f"if(reason IS NULL AND {name}_repaired, 1, 0)" for name in ("price", "attributes")}
BYTES_PER_FILE = 256 << 20
# the rule by which sql/items.sql builds an item's text; it enters the space id
TEXT_TEMPLATE = "1: title | category | brand | attribute values by key"


class Args(CommandArgs):
    """catalogue          raw files: Parquet, CSV or NDJSON; item_id and title are required; category, brand,
                       attributes, price and group_id are optional
    items              output; replaced
    max_bad_file_frac  share of the catalogue's bytes in damaged files above which the command stops
    accept_drift       1: somebody looked at the changed columns and accepts them, so no change stops the day
    max_unpacked_gb    size of the unpacked catalogue above which the command stops; a file beyond it is set aside
    """

    catalogue: Partition
    items: Partition
    max_bad_file_frac: Fraction = 0.05
    accept_drift: ZeroOrOne = 0
    max_unpacked_gb: PositiveFloat = MAX_UNPACKED_GB


def main(args: Args) -> dict[str, object]:
    """Read every row, keep the last of each item_id, and put rejected rows into quarantine."""
    delivery = inspect(pin(args.catalogue), args.items, args.max_bad_file_frac, args.accept_drift, args.max_unpacked_gb)
    catalogue = delivery.undamaged
    with spark_session("items") as spark, publish(args.items, args, [catalogue]) as out:
        checked = run_sql("items", {}, catalogue_rows=catalogue_rows(spark, catalogue))
        counts = _write_items(out, checked, catalogue)
        dropped = counts.dropped("rows")
        out.count("catalogue rows", counts["rows"], counts.kept("rows"), dropped)
        _check(args, counts)
        if dropped:
            _quarantine(out, checked)
        delivery.record(out)
        out.facts["text_template"] = TEXT_TEMPLATE
        out.facts["repairs"] = {name: counts[name] for name in REPAIRS if counts[name]}
    return {**published(out), "alerts": delivery.alerts}


def _write_items(out: Attempt, checked: DataFrame, catalogue: Pinned) -> RowCounter:
    columns = list(out.partition.table.columns)
    files = 1 + sum(entry.bytes for entry in catalogue.entries()) // BYTES_PER_FILE
    rows = checked.select(*columns, "reason", "price_repaired", "attributes_repaired").repartition(files, "item_id")
    counts = RowCounter(rows, REASONS, {"rows": "1"}, {"rows": "1", **REPAIRS})
    counts.write_kept(out, by=["item_id"])
    return counts


def catalogue_rows(spark: SparkSession, catalogue: Pinned) -> DataFrame:
    """Rows of the raw files: file, block and line (their order), raw, malformed, and COLUMNS as text.

    Raises:
        ValueError: there is no file, a file of another kind, or a file without item_id or title.
    """
    files = rawfiles.by_kind(catalogue, ("parquet", "csv", "lines"))
    place = ("file", "block", "line", "raw", "malformed")
    fields = [f"record.{name}" for name in COLUMNS]
    frames = []
    if files["lines"]:
        rows = rawfiles.json_lines(spark, files["lines"], FIELDS).where("raw != ''")
        frames.append(rows.select(*place, *fields))
    for uris, columns in rawfiles.parquet_groups(files["parquet"]):
        _check_columns(catalogue, uris[0], columns)
        frames.append(rawfiles.parquet_records(spark, uris, FIELDS).select(*place, *fields))
    for uri in files["csv"]:
        columns = rawfiles.csv_header(uri)
        _check_columns(catalogue, uri, columns)
        wanted = [f"`{name}`" if name in columns else f"NULL AS {name}" for name in COLUMNS]
        frames.append(rawfiles.csv_rows(spark, uri, columns).selectExpr(*place, *wanted))
    return rawfiles.union(frames).select(*place, *COLUMNS)


def _check_columns(catalogue: Pinned, uri: str, columns: list[str]) -> None:
    if missing := [name for name in NEEDED if name not in columns]:
        raise ValueError(
            f"{catalogue.partition}: {uri.rsplit('/', 1)[-1]} has no column {', '.join(missing)}; found "
            f"{', '.join(columns)}, expected at least {', '.join(NEEDED)}; repair the export and deliver it again"
        )


def _check(args: Args, counts: RowCounter) -> None:
    if not counts.kept("rows"):
        raise ValueError(
            f"{args.catalogue}: 0 items in {counts['rows']:,} rows (dropped: {counts.dropped('rows')}); expected rows "
            f"with {' and '.join(NEEDED)}; repair the export and deliver it again"
        )


def _quarantine(out: Attempt, checked: DataFrame) -> None:
    columns = ("reason", "file", "substring(make_valid_utf8(raw), 1, 500) AS raw")
    out.quarantine(checked.where("reason IS NOT NULL").selectExpr(*columns), by=["reason", "file", "raw"])
