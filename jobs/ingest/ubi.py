"""UBI files of a day -> one Spark frame of raw lines.

Supports the variants that real files have: OpenSearch bulk action lines, `index<TAB>json`, plain NDJSON, Parquet; ISO
or epoch timestamps; `query_response_object_ids` for `query_response_hit_ids`; session_id and client_id inside
`event_attributes`; object_id as a string or a number. Lines of another form are read again by jobs.ingest.record_forms.
sql/log_lines.sql interprets the lines.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jobs.ingest import record_forms
from jobs.ingest import spark_readers as rawfiles
from jobs.ingest.record_forms import FURTHER_ITEM, LIST_FIELDS
from jobs.lake.columns import SEARCH_COLUMNS, Column
from jobs.lake.read import Pinned
from jobs.platform.spark_udfs import ABSENT

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

# Fields of a UBI record that are read as text; `a.b` is field b of the object a.
TEXT_FIELDS = (
    "application",
    "action_name",
    "query_id",
    "client_id",
    "session_id",
    "user_query",
    "timestamp",
    "event_attributes.session_id",
    "event_attributes.client_id",
    "event_attributes.object.object_id",
    "event_attributes.position.ordinal",
    "event_attributes.placement",
    *(field for column in SEARCH_COLUMNS for field in column.fields),
)
ACTIONS = ("search", "impression", "click", "cart", "purchase")
# the names that shops give to the four actions; `impressions --actions` adds a shop's own
ACTION_NAMES = {
    "impression": "impression",
    "click": "click",
    "click_through": "click",
    "item_click": "click",
    "add_to_cart": "cart",
    "cart": "cart",
    "purchase": "purchase",
}
# a look at an offer's page: no impression, unless `--actions view=impression` says so; item_events takes it
VIEW_NAMES = dict.fromkeys(("view", "page_view", "product_view", "view_item", "product_detail"), "view")
# what shops call the places where an event happens (event_attributes.placement)
PLACEMENT_NAMES = {
    **dict.fromkeys(("search", "search_results", "results"), "search"),
    **dict.fromkeys(("offer_page", "offer", "product_page", "pdp", "detail"), "offer_page"),
    **dict.fromkeys(("listing", "category", "category_page", "plp"), "listing"),
    **dict.fromkeys(("basket", "cart", "checkout"), "basket"),
    **dict.fromkeys(("recommendation", "recommendations", "carousel"), "recommendation"),
}
# what other tools call them: proposed, never assumed, since `view` may also be a look at an offer's page
OFTEN_CALLED = {
    **dict.fromkeys(("view", "impressions", "view_item_list", "product_impression"), "impression"),
    **dict.fromkeys(("select_item", "item_select", "product_click", "result_click", "select"), "click"),
    **dict.fromkeys(("addtocart", "add_item_to_cart", "add_to_basket", "basket_add", "atc"), "cart"),
    **dict.fromkeys(("search", "on_search", "query", "search_query"), "search"),
    **dict.fromkeys(("order", "buy", "bought", "transaction", "conversion", "checkout_complete"), "purchase"),
}
# an action line of the bulk format is not parsed: the next line holds the whole record
BULK_ACTION = r"""rlike(left(raw, 20), '^\\{\\s*"(index|create)"\\s*:\\s*\\{')"""


def parse_actions(text: str) -> dict[str, str]:
    """A shop's names of actions, `view=impression,select_item=click` -> name in lower case: action.

    Raises:
        ValueError: a part is not name=action, or the action is none of ours.
    """
    found = {}
    for part in filter(None, text.split(",")):
        name, _, action = (word.strip() for word in part.partition("="))
        if not name or action not in (*ACTIONS, "view"):
            raise ValueError(
                f"actions: found {part!r}, expected name=action with one of {', '.join(ACTIONS[1:])}, view, search"
            )
        found[name.lower()] = action
    return found


def search_column(column: Column) -> str:
    """Spark expression of a search column: the first of its fields that has a value."""
    texts = ", ".join(f"nullif(trim(record.{field}), '')" for field in column.fields)
    return f"TRY_CAST(coalesce({texts}, NULL) AS {column.type}) AS {column.name}"


def given(text: str) -> str:
    """Spark expression of a field without blanks around it; NULL where an export says that there is none."""
    words = ", ".join(f"'{word}'" for word in ABSENT)
    # a long text is none of these words
    return f"CASE WHEN octet_length({text}) > 20 OR lower(trim({text})) NOT IN ({words}) THEN trim({text}) END"


# whole numbers that an export wrote as floats, 10000000001.0 or 1.0E10: an id is compared as text
FLOAT = "^-?[0-9]+[.][0-9]+(E[0-9]+)?$"


def item_id(text: str) -> str:
    """Spark expression of an id: without what stands around it, and a whole number without its decimals."""
    number = f"TRY_CAST({text} AS DECIMAL(38, 10))"
    is_whole = f"contains({text}, '.') AND rlike({text}, '{FLOAT}') AND {number} = floor({number})"
    # blanks of other alphabets and invisible letters take several bytes
    bare = f"regexp_replace({text}, '^[\\\\s\\\\p{{Z}}\\\\p{{Cf}}]+|[\\\\s\\\\p{{Z}}\\\\p{{Cf}}]+$', '')"
    return (
        f"CASE WHEN {is_whole} THEN CAST(CAST({number} AS DECIMAL(28, 0)) AS STRING)"
        f" WHEN octet_length({text}) = char_length({text}) THEN trim({text}) ELSE {bare} END"
    )


HITS = "coalesce(record.query_response_hit_ids, record.query_response_object_ids)"
LINE_COLUMNS = (
    "file",
    "raw",
    "malformed",
    "is_other_form",
    "is_blank",
    "is_bulk_action",
    f"if(record.{FURTHER_ITEM} IS NULL, 1, 0) AS counted",
    "record.application",
    f"{given('record.action_name')} AS action_name",
    "trim(record.query_id) AS search_id",
    "coalesce(nullif(record.client_id, ''), nullif(record.event_attributes.client_id, '')) AS client_id",
    "coalesce(nullif(record.session_id, ''), nullif(record.event_attributes.session_id, '')) AS session_id",
    "record.user_query",
    "trim(record.timestamp) AS timestamp",
    f"transform({HITS}, id -> {item_id('id')}) AS hit_ids",
    f"{item_id('record.event_attributes.object.object_id')} AS item_id",
    "record.event_attributes.position.ordinal",
    "record.event_attributes.placement",
    *(search_column(column) for column in SEARCH_COLUMNS),
)
NEEDED = ("query_id", "timestamp")
ONE_OF = ("user_query", "action_name")
# what may be a record in another form: jobs.ingest.record_forms rewrites it. A line that ends in its middle is none
# (two tests, because one pattern for both, `{.*}`, takes the square of the length on a line of many `{`)
WHOLE = rf"""NOT {rawfiles.LONG} AND is_valid_utf8(raw) AND contains(raw, '{{') AND rlike(raw, '\\}}"?[\\s,\\]]*$')"""
# in `_source`, or in a field of a log shipper
WRAPPED = "record.query_id IS NULL AND record.user_query IS NULL AND record.action_name IS NULL AND contains(raw, 'timestamp')"
LISTED = "coalesce(left(record.event_attributes.object.object_id, 1) IN ('[', '{'), false)"
OTHER_FORM = f"(malformed AND {WHOLE}) OR ({WRAPPED}) OR {LISTED}"


def read_log(spark: SparkSession, log: Pinned) -> DataFrame:
    """One row per line of a day's log, with LINE_COLUMNS; values are text. `read_again` reads those of another form.

    Raises:
        ValueError: there is no file, a file of another kind, or a Parquet file without the columns of UBI.
    """
    files = rawfiles.by_kind(log, ("lines", "parquet"))
    fields = record_ddl()
    frames = []
    if files["lines"]:
        frames.append(_of_lines(rawfiles.json_lines(spark, files["lines"], fields, BULK_ACTION), OTHER_FORM))
    for uris, columns in rawfiles.parquet_groups(files["parquet"]):
        _check_columns(log, uris, columns)
        rows = rawfiles.parquet_records(spark, uris, fields)
        flags = (f"{OTHER_FORM} AS is_other_form", "false AS is_blank", "false AS is_bulk_action")
        frames.append(rows.selectExpr("*", *flags))
    # select columns before the union: the record structs of the readers have different fields
    return rawfiles.union([frame.selectExpr(*LINE_COLUMNS) for frame in frames])


def read_again(lines: DataFrame) -> DataFrame:
    """The records of lines (file, raw) of another form, as `read_log` gives them; a line that holds none is one row."""
    from pyspark import cloudpickle
    from pyspark.sql import functions as f
    from pyspark.sql.pandas.functions import arrow_udf

    # pickle by value: the workers of a cluster need no copy of this code
    cloudpickle.register_pickle_by_value(record_forms)  # type: ignore[no-untyped-call]
    usual = arrow_udf(record_forms.usual_lines, "array<string>")  # type: ignore[call-overload]
    records = lines.select("file", f.explode(usual("raw")).alias("raw"))
    return _of_lines(rawfiles.parsed(records, record_ddl(), BULK_ACTION), "false").selectExpr(*LINE_COLUMNS)


def _of_lines(read: DataFrame, other_form: str) -> DataFrame:
    bulk = "raw != '' AND NOT malformed AND record IS NULL AS is_bulk_action"
    return read.selectExpr("*", f"{other_form} AS is_other_form", "raw = '' AS is_blank", bulk)


def record_ddl() -> str:
    """TEXT_FIELDS and LIST_FIELDS as Spark DDL, nested fields as STRUCTs."""
    tree: dict[str, Any] = {}
    for field in (*TEXT_FIELDS, FURTHER_ITEM):
        *objects, name = field.split(".")
        node = tree
        for key in objects:
            node = node.setdefault(key, {})
        node[name] = "STRING"
    return ", ".join(_ddl(name, kind) for name, kind in {**tree, **dict.fromkeys(LIST_FIELDS, "ARRAY<STRING>")}.items())


def _ddl(name: str, kind: Any) -> str:
    if isinstance(kind, str):
        return f"{name} {kind}"
    return f"{name} STRUCT<{', '.join(_ddl(*field) for field in kind.items())}>"


def _check_columns(log: Pinned, uris: list[str], columns: list[str]) -> None:
    missing = [name for name in NEEDED if name not in columns]
    if not any(name in columns for name in ONE_OF):
        missing.append(" or ".join(ONE_OF))
    if missing:
        raise ValueError(
            f"{log.partition}: {uris[0].rsplit('/', 1)[-1]} has no column {', '.join(missing)}; found "
            f"{', '.join(columns)}, expected UBI records; repair the export and deliver the day again"
        )
