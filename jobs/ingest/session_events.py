"""Item events and orders of a day -> session_events.

python -m jobs session_events --item_events item_events/ds=2026-01-31 --session_events session_events/ds=2026-01-31
python -m jobs session_events --orders orders/ds=2026-01-31 --order_days 400 --session_events session_events/ds=2026-01-31

What came late is added under the day of the log that brought it, and a session goes on counting there: an old window
never changes, and a new one has the late events. An order is a session of its own, whose lines are purchases.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from annotated_types import Interval

from jobs.ingest.hashing_secret import FACT, fingerprint, hashing_secret
from jobs.ingest.orders import UNDONE, day_first, order_rows, parse_columns
from jobs.ingest.search_log import NOBODY
from jobs.lake.attempt import Attempt
from jobs.lake.erasures import erased_clients
from jobs.lake.partitions import NOWHERE, SESSION_EVENTS, Partition
from jobs.lake.publish import publish
from jobs.lake.read import Pinned, pin
from jobs.lake.windows import before_day, first_day, read_columns, time_zone
from jobs.platform.arguments import CommandArgs, NonNegativeInt, OneOf
from jobs.platform.row_counts import RowCounter, published
from jobs.platform.spark import BYTES_PER_PART, run_sql, spark_session
from jobs.platform.spark_udfs import ABSENT, register_functions
from jobs.platform.temp_tables import Keep, temp_tables

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

KEY = ("session_id", "ordinal")
ORDER_EVENT = "session_id STRING, client_id STRING, item_id STRING, occurred_at TIMESTAMP, day DATE, line BIGINT"
ORDER_REASONS = (
    *("malformed", "erased", "no_invoice", "no_item_id", "cancelled", "bad_time", "no_product"),
    *("bad_quantity", "negative_quantity", "no_price", "outside_day"),
)
REASONS = ("duplicate", "said_before")
ACTIONS = ("view", "click", "cart", "purchase")


class Args(CommandArgs):
    """session_events  output; replaced
    item_events     what people did to items, in the day's log; empty: the shop has no log
    orders          the shop's orders of the day; empty: none
    late_days       days before its own whose sessions go on, and whose events the log may repeat
    order_days      days before its own that orders may be of; a first delivery with its history takes more
    order_columns   what the files of orders call their columns, if they are not found: invoice=nr,occurred=data
    date_order      whether 3/4/2026 is of April (day) or of March (month); auto: by the dates that tell
    service_codes   codes of orders that are no products
    """

    session_events: Partition
    item_events: Partition = NOWHERE
    orders: Partition = NOWHERE
    late_days: Annotated[int, Interval(ge=0, le=14)] = 3
    order_days: NonNegativeInt = 3
    order_columns: str = ""
    date_order: Annotated[str, OneOf("auto", "day", "month")] = "auto"
    service_codes: str = "POST,DOT,M,C2,D,S,B,PADS,CRUK,BANK CHARGES,AMAZONFEE,SHIPPING,DELIVERY,DISCOUNT"

    def __post_init__(self) -> None:
        given = [partition for partition in (self.item_events, self.orders) if partition]
        if not given:
            raise ValueError("expected item_events, orders or both")
        if len({partition.ds for partition in (self.session_events, *given)}) != 1:
            raise ValueError("session_events, item_events and orders: expected one and the same day")
        parse_columns(self.order_columns)


def main(args: Args) -> dict[str, str | int]:
    """Put the events of the day in the order of their sessions; drop what earlier days have."""
    given = [pin(partition) for partition in (args.item_events, args.orders) if partition]
    earlier = before_day(SESSION_EVENTS, args.session_events.ds, args.late_days)
    with (
        spark_session("session_events", [*given, *earlier.days]) as spark,
        publish(args.session_events, args, [*given, *earlier.days]) as out,
        temp_tables(out) as keep,
    ):
        out.facts[FACT] = fingerprint()
        frames = {
            "item_events": read_columns(spark, SESSION_EVENTS, []),
            "order_events": spark.createDataFrame([], ORDER_EVENT),
            "earlier_events": earlier.read(spark),
        }
        for pinned in given:
            if pinned.partition.name == "orders":
                frames["order_events"] = _order_events(args, spark, pinned, out, keep)
            else:
                frames["item_events"] = read_columns(spark, args.item_events.table, [pinned])
        _write(out, run_sql("session_events", {}, **frames), given)
    return published(out)


def _write(out: Attempt, rows: DataFrame, given: list[Pinned]) -> None:
    files = 1 + sum(entry.bytes for pinned in given for entry in pinned.entries()) // (4 * BYTES_PER_PART)
    sums = {action: f"if(reason IS NULL AND action = '{action}', 1, 0)" for action in ACTIONS}
    sums["late"] = f"if(reason IS NULL AND day < DATE'{out.partition.ds}', 1, 0)"
    counts = RowCounter(rows.repartition(files, "session_id"), REASONS, {"events": "1"}, sums)
    counts.write_kept(out, by=KEY)
    dropped = counts.dropped("events")
    out.count("events", counts.kept("events") + sum(dropped.values()), counts.kept("events"), dropped)
    out.facts["actions"] = {action: counts[action] for action in ACTIONS}
    out.facts["late_rows"] = counts["late"]


def _order_events(args: Args, spark: SparkSession, orders: Pinned, out: Attempt, keep: Keep) -> DataFrame:
    """Purchases of the day's orders, each line counted by its reason.

    Raises:
        ValueError: no line of the orders is a purchase.
    """
    register_functions(spark)
    rows = order_rows(spark, orders, parse_columns(args.order_columns))
    settings = {
        "salt": hashing_secret(),
        "nobody": list(NOBODY),
        "time_zone": time_zone(),
        "day_first": day_first(rows, orders, args.date_order),
        "undone": list(UNDONE),
        "absent": list(ABSENT),
        "service_codes": [code.strip().lower() for code in args.service_codes.split(",") if code.strip()],
        "first_day": first_day(orders.partition.ds, args.order_days + 1),
        "ds": orders.partition.ds,
    }
    erased = spark.createDataFrame([(client,) for client in erased_clients()], "client_id STRING")
    counts = RowCounter(
        run_sql("order_lines", settings, order_rows=rows, erased_clients=erased), ORDER_REASONS, {"lines": "1"}, {}
    )
    kept = keep(counts.frame.where("reason IS NULL"), "order_events")
    dropped = counts.dropped("lines")
    lines = counts.kept("lines")
    out.count("order lines", lines + sum(dropped.values()), lines, dropped)
    if not lines:
        raise ValueError(
            f"{orders.partition}: 0 purchases in {sum(dropped.values()):,} lines (dropped: {dropped}), expected one at"
            " least; are the orders of this day (--order_days), and are their columns the right ones?"
        )
    titles = kept.groupBy("item_id").agg({"title": "collect_set"}).where("size(`collect_set(title)`) > 1")
    out.facts["items_with_several_titles"] = titles.count()
    return kept.drop("title", "reason")
