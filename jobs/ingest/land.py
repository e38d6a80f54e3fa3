"""Shop's files -> raw zone, copied unchanged, with checksums.

python -m jobs land --files 'exports/2026-01-31/*.ndjson.gz' --log log/ds=2026-01-31
python -m jobs land --files s3://shop/items.parquet --catalogue catalogue/ds=2026-01-31
python -m jobs land --files exports/orders.csv.gz --orders orders/ds=2026-01-31

Only labels are converted: CSV or Parquet with query, item_id, relevance and, optionally, split become the columns of
the table `labels`.

Runs are rankings of other engines, such as the shop's own: TREC run files whose queries are our query_id, or Parquet
with query (as typed), item_id, and score or rank. The file's name becomes the arm's: run_<name>.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import cast
from urllib.parse import urlsplit

import pyarrow as pa
import pyarrow.parquet as pq

from jobs.ingest.delivered_files import LINES, LOG_ENDINGS, copy_checked, find, plain_name, refuse_others
from jobs.ingest.external_runs import RUN_ENDINGS, stems
from jobs.ingest.scan import scan
from jobs.lake import storage as store
from jobs.lake.arrow_schema import arrow_schema
from jobs.lake.attempt import Attempt
from jobs.lake.partitions import LABELS, NOWHERE, Partition
from jobs.lake.publish import publish
from jobs.platform.arguments import CommandArgs, PositiveFloat
from jobs.platform.csv_text import CsvError, check_csv, read_csv
from jobs.platform.progress import progress
from jobs.platform.spark_udfs import clean_ids

ENDINGS = {
    "log": LOG_ENDINGS,
    "catalogue": (*LINES, ".csv", ".csv.gz", ".parquet"),
    "orders": (*LINES, ".csv", ".csv.gz", ".parquet"),
    "labels": (".csv", ".csv.gz", ".parquet"),
    "external_runs": RUN_ENDINGS,
}


class Args(CommandArgs):
    """files            a file, a folder or a pattern (*, ?, [..]), local or any URI that pyarrow.fs reads
    log              output: UBI records of the day; replaced
    catalogue        output: the items of the day; replaced
    orders           output: lines of the shop's orders (jobs/ingest/orders.py has the columns); replaced
    labels           output: judged queries; replaced
    external_runs    output: rankings of other engines; replaced
    max_unpacked_gb  size of an unpacked file of labels, which is read into memory, above which the command stops
    """

    files: str
    log: Partition = NOWHERE
    catalogue: Partition = NOWHERE
    orders: Partition = NOWHERE
    labels: Partition = NOWHERE
    external_runs: Partition = NOWHERE
    max_unpacked_gb: PositiveFloat = 4.0

    def __post_init__(self) -> None:
        if sum(map(bool, (self.log, self.catalogue, self.orders, self.labels, self.external_runs))) != 1:
            raise ValueError("expected exactly one of --log, --catalogue, --orders, --labels and --external_runs")
        if "://" in self.files and urlsplit(self.files).username is not None:
            raise ValueError("files: credentials belong in the environment, not in the URI")

    @property
    def target(self) -> Partition:
        """The given output."""
        return self.log or self.catalogue or self.orders or self.labels or self.external_runs


def main(args: Args) -> dict[str, object]:
    """Find the files, copy them and publish."""
    target = args.target
    sources = find(args.files)
    refuse_others(sources, ENDINGS[target.name], target.name, args.files)
    if target.name == "external_runs":
        stems([source.rsplit("/", 1)[-1] for source in sources])
    with publish(target, args) as out:
        if target.name == "labels":
            out.write_table(pa.concat_tables([_labels(source, args.max_unpacked_gb) for source in sources]))
        else:
            _copy(out, sources)
        out.facts["sources"] = sources
    return {"partition": str(target), "files": len(sources)}


def _copy(out: Attempt, sources: Sequence[str]) -> None:
    """Copy each file and compare checksums; equal names from several folders get a number."""
    names = [plain_name(source) for source in sources]
    uses = Counter(names)
    with progress("land", len(sources), "files") as advance:
        for number, (source, name) in enumerate(zip(sources, names, strict=True)):
            unique = name if uses[name] == 1 and not name.startswith(("_", ".")) else f"{number:05d}{name}"
            copy_checked(source, str(out.folder / unique))
            advance(1)


def _labels(source: str, max_unpacked_gb: float) -> pa.Table:
    # a few megabytes may unpack to more than the machine's memory
    if flaw := scan(source, max_unpacked_gb).flaw:
        raise ValueError(f"{source}: {flaw}; nothing was landed")
    try:
        labels = _read(source)
        if "split" not in labels.column_names:
            labels = labels.append_column("split", pa.nulls(labels.num_rows, pa.string()))
        labels = labels.select(list(LABELS.columns)).cast(arrow_schema(LABELS))
    except (pa.ArrowException, CsvError) as error:
        raise ValueError(f"{source}: not readable as labels ({error})") from error
    ids = clean_ids(cast(pa.StringArray, labels["item_id"].combine_chunks()))
    return labels.set_column(labels.column_names.index("item_id"), "item_id", ids)


def _read(source: str) -> pa.Table:
    needed = ("query", "item_id", "relevance")
    if not source.lower().endswith(".parquet"):
        header = check_csv(source)
        header.require(needed, ("split",))
        types = {field.name: field.type for field in arrow_schema(LABELS) if field.name in header.names}
        return read_csv(source, header, types)
    system, path = store.filesystem(source)
    labels = pq.read_table(path, filesystem=system)
    if missing := set(needed) - set(labels.column_names):
        raise ValueError(f"{source}: found columns {labels.column_names}, expected also {sorted(missing)}")
    return labels
