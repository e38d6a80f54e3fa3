"""A shop's own files -> the raw zone: copied as they are, with checksums; exactly one target.

python -m jobs.land --files 'exports/2026-01-31/*.ndjson.gz' --log log/ds=2026-01-31
python -m jobs.land --files s3://shop/items.parquet --catalogue catalogue/ds=2026-01-31

Labels are the one table that is read on the way in: CSV or Parquet with query, item_id, relevance and perhaps split
become the table's own columns.

Runs are rankings of other engines, such as the shop's own: TREC run files whose queries are our query_id, or Parquet
with query (as typed), item_id, and score or rank. The file's name becomes the arm's: run_<name>.
"""

from __future__ import annotations

import fnmatch
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import BinaryIO, cast
from urllib.parse import urlsplit

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
from pyarrow import fs

from jobs import store
from jobs.attempt import Attempt
from jobs.cli import run
from jobs.external import RUN_ENDINGS, stems
from jobs.lake import LABELS, NOWHERE, Partition
from jobs.progress import progress
from jobs.publish import publish
from jobs.schema import arrow_schema

LINES = (".ndjson", ".ndjson.gz", ".json", ".json.gz", ".jsonl", ".jsonl.gz")
ENDINGS = {
    "log": (*LINES, ".parquet"),
    "catalogue": (*LINES, ".csv", ".csv.gz", ".parquet"),
    "labels": (".csv", ".csv.gz", ".parquet"),
    "runs": RUN_ENDINGS,
}


@dataclass(frozen=True)
class Args:
    """files      a file, a folder or a pattern (*, ?, [..]), local or any URI that pyarrow.fs reads
    log        output: UBI records of the day; replaced
    catalogue  output: the items of the day; replaced
    labels     output: judged queries; replaced
    runs       output: rankings of other engines; replaced
    """

    files: str
    log: Partition = NOWHERE
    catalogue: Partition = NOWHERE
    labels: Partition = NOWHERE
    runs: Partition = NOWHERE

    def __post_init__(self) -> None:
        if sum(map(bool, (self.log, self.catalogue, self.labels, self.runs))) != 1:
            raise ValueError("expected exactly one of --log, --catalogue, --labels and --runs")
        if "://" in self.files and urlsplit(self.files).username is not None:
            raise ValueError("files: credentials belong in the environment, not in the URI")

    @property
    def target(self) -> Partition:
        """The one output that was given."""
        return self.log or self.catalogue or self.labels or self.runs


def main(args: Args) -> dict[str, object]:
    """Find the files, copy them, publish."""
    target = args.target
    sources = find(args.files)
    _check(sources, target, args.files)
    with publish(target, args) as out:
        if target.name == "labels":
            out.write_table(pa.concat_tables([_labels(source) for source in sources]))
        else:
            _copy(out, sources)
        out.facts["sources"] = sources
    return {"partition": str(target), "files": len(sources)}


def find(pattern: str) -> list[str]:
    """The files that a path, folder or pattern names, sorted.

    Raises:
        FileNotFoundError: none.
    """
    system, path = store.filesystem(pattern)
    wild = re.search(r"[*?\[]", pattern)
    kind = fs.FileType.NotFound if wild else system.get_file_info(path).type
    if kind == fs.FileType.File:
        return [pattern]
    folder = pattern[: wild.start()].rpartition("/")[0] if wild else pattern.rstrip("/")
    if wild and not folder:
        folder = "/" if pattern.startswith("/") else "."
    wanted = pattern[len(folder) :].lstrip("/") if wild and folder != "." else "*"
    wanted = pattern.removeprefix("./") if folder == "." else wanted
    depth = wanted.count("/")
    # a star does not cross folders: that is what people expect of a shell's pattern
    found = [
        f"{folder}/{name}"
        for name, _ in store.list_files(folder)
        if name.count("/") == depth and fnmatch.fnmatchcase(name, wanted)
    ]
    if not found:
        raise FileNotFoundError(f"{pattern}: found no file; expected a file, a folder or a pattern")
    return found


def _check(sources: Sequence[str], target: Partition, pattern: str) -> None:
    endings = ENDINGS[target.name]
    if odd := [source for source in sources if not source.lower().endswith(endings)]:
        names = ", ".join(name.rsplit("/", 1)[-1] for name in odd[:5])
        raise ValueError(
            f"{pattern}: found {len(odd)} files of another kind ({names}), expected for {target.name} "
            f"{' '.join(endings)}; narrow the pattern or convert them"
        )
    if target.name == "runs":
        stems([source.rsplit("/", 1)[-1] for source in sources])


def _copy(out: Attempt, sources: Sequence[str]) -> None:
    """Copy each file and compare checksums; names that meet from several folders get a number."""
    names = [
        re.sub(r"[^\w.-]", "_", source.rsplit("/", 1)[-1], flags=re.ASCII) for source in sources
    ]
    met = Counter(names)
    with progress("land", len(sources), "files") as advance:
        for number, (source, name) in enumerate(zip(sources, names, strict=True)):
            unique = (
                name
                if met[name] == 1 and not name.startswith(("_", "."))
                else f"{number:05d}{name}"
            )
            copy = out.folder / unique
            store.copy(source, str(copy))
            if store.sha256(source) != store.sha256(str(copy)):
                raise RuntimeError(
                    f"{source}: changed while it was copied; run again when it is complete"
                )
            advance(1)


def _labels(source: str) -> pa.Table:
    try:
        found = _read(source)
        missing = {"query", "item_id", "relevance"} - set(found.column_names)
        if missing:
            names = found.column_names
            raise ValueError(f"{source}: found columns {names}, expected also {sorted(missing)}")
        if "split" not in found.column_names:
            found = found.append_column("split", pa.nulls(found.num_rows, pa.string()))
        return found.select(list(LABELS.columns)).cast(arrow_schema(LABELS))
    except pa.ArrowInvalid as error:
        raise ValueError(f"{source}: not readable as labels ({error})") from error


def _read(source: str) -> pa.Table:
    system, path = store.filesystem(source)
    if source.lower().endswith(".parquet"):
        return pq.read_table(path, filesystem=system)
    types = {field.name: field.type for field in arrow_schema(LABELS)}
    with system.open_input_stream(path) as stream:
        return pyarrow.csv.read_csv(
            cast(BinaryIO, stream), convert_options=pyarrow.csv.ConvertOptions(column_types=types)
        )


if __name__ == "__main__":
    run(Args, main)
