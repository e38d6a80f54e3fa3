"""The layouts of labelled search data sets: their files, and the way from those to items and judgements.

Every cell is read as text. A row is either taken or rejected, and counted by reason. Items leave here with the
catalogue's columns, judgements with query, item_id, relevance and split.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from jobs.platform import csv_text

KEPT_REJECTS = 10_000  # rows that go into the quarantine file of a table; all are counted
OPTIONAL = ("category", "brand", "attributes", "price", "currency", "group_id")
# Exact, Substitute, Complement, Irrelevant (Reddy et al. 2022, "Shopping Queries Dataset")
ESCI_RELEVANCE = {"E": "3", "S": "2", "C": "1", "I": "0"}
# Chen et al. 2022, "WANDS: Dataset for Product Search Relevance Assessment"
WANDS_RELEVANCE = {"Exact": "2", "Partial": "1", "Irrelevant": "0"}


@dataclass
class DatasetRows:
    """A frame of text columns on its way through the checks."""

    frame: pd.DataFrame
    rows_in: int
    dropped: Counter[str] = field(default_factory=Counter)
    rejects: list[str] = field(default_factory=list)

    def reject(self, bad: pd.Series[bool], reason: str) -> None:
        """Take the rows where `bad` is True out, count them, and keep them for the quarantine."""
        if bad.any():
            rows = self.frame[bad]
            kept = rows.head(KEPT_REJECTS).itertuples(index=False, name=None)
            self.note(len(rows), reason, [dict(zip(rows.columns, row, strict=True)) for row in kept])
            self.frame = self.frame[~bad]

    def note(self, count: int, reason: str, rows: Sequence[Mapping[str, object]]) -> None:
        """Count rejected rows that never came into the frame."""
        self.dropped[reason] += count
        for row in rows[: max(0, KEPT_REJECTS - len(self.rejects))]:
            line = json.dumps({"reason": reason, "row": row}, ensure_ascii=False, default=str)
            self.rejects.append(line)

    def require(self, columns: Sequence[str]) -> None:
        """Reject rows in which one of the columns is empty."""
        for column in columns:
            text = self.frame[column]
            self.reject(text.isna() | (text.str.strip() == ""), f"no_{column}")


def read_csv(path: Path, required: Sequence[str]) -> DatasetRows:
    """Read a CSV file, plain or gzip, with every column as text; lines of another width are rejected.

    Raises:
        ValueError: a required column is missing, or the file is not CSV at all.
    """
    bad: list[dict[str, object]] = []

    def wrong_width(row: pyarrow.csv.InvalidRow) -> Literal["skip"]:
        bad.append({"line": row.number, "columns": row.actual_columns, "text": row.text})
        return "skip"

    try:
        header = csv_text.check_csv(str(path))
        header.require(required, (*OPTIONAL, "split"))
        table = csv_text.read_csv(str(path), header, dict.fromkeys(header.names, pa.binary()), wrong_width)
    except (csv_text.CsvError, pa.ArrowInvalid) as error:
        raise ValueError(f"{path}: not readable as CSV ({error})") from error
    columns = {name: _decoded(table, name) for name in table.column_names}
    rows = DatasetRows(pd.DataFrame(columns), table.num_rows + len(bad))
    if bad:
        rows.note(len(bad), "wrong_width", bad)
    rows.reject(rows.frame.isna().any(axis=1), "not_utf8")
    return rows


def read_parquet(path: Path, required: Sequence[str], column: str, value: str) -> DatasetRows:
    """Read columns of a Parquet file as text, of the rows whose `column` has the value.

    Raises:
        ValueError: a required column is missing.
    """
    _require_columns(path, pq.read_schema(path).names, required)
    table = pq.read_table(path, columns=list(required), filters=[(column, "=", value)])
    frame = table.cast(pa.schema([pa.field(name, pa.string()) for name in required])).to_pandas()
    return DatasetRows(frame.fillna(""), len(frame))


def _require_columns(path: Path, names: Sequence[str], required: Sequence[str]) -> None:
    if missing := [name for name in required if name not in names]:
        raise ValueError(f"{path}: found columns {names}, expected also {missing}")


def _decoded(table: pa.Table, name: str) -> pd.Series[str]:
    """Return a column as text, a missing value where the bytes are not UTF-8."""
    column = table.column(name)
    try:
        return column.cast(pa.string()).to_pandas()
    except pa.ArrowInvalid:
        text = column.to_pandas().str.decode("utf-8", errors="replace")
        return text.where(~text.str.contains("\N{REPLACEMENT CHARACTER}"))


@dataclass(frozen=True)
class DatasetLayout:
    """files: the names that make it this layout, each plain or with .gz; read(folder, locale)."""

    name: str
    files: tuple[str, ...]
    read: Callable[[dict[str, Path], str], tuple[DatasetRows, DatasetRows]]


def _pair(paths: dict[str, Path], _: str) -> tuple[DatasetRows, DatasetRows]:
    items = read_csv(paths["items.csv"], ["item_id", "title"])
    judged = read_csv(paths["relevance.csv"], ["query", "item_id", "relevance"])
    if "split" not in judged.frame:
        judged.frame["split"] = ""
    return items, judged


def _esci(paths: dict[str, Path], locale: str) -> tuple[DatasetRows, DatasetRows]:
    product, example = (paths[name] for name in ESCI.files)
    column = "product_locale"
    items = read_parquet(product, ["product_id", "product_title", "product_brand", "product_color"], column, locale)
    judged = read_parquet(example, ["query", "product_id", "esci_label", "split"], column, locale)
    colour = items.frame["product_color"]
    items.frame = pd.DataFrame(
        {
            "item_id": items.frame["product_id"],
            "title": items.frame["product_title"],
            "brand": items.frame["product_brand"],
            "attributes": [json.dumps({"color": c}, ensure_ascii=False) if c else "" for c in colour],
        }
    )
    judged.frame = judged.frame.rename(columns={"product_id": "item_id"})
    judged.frame["relevance"] = judged.frame["esci_label"].map(ESCI_RELEVANCE).fillna("")
    return items, judged


def _wands(paths: dict[str, Path], _: str) -> tuple[DatasetRows, DatasetRows]:
    items = read_csv(paths["product.csv"], ["product_id", "product_name"])
    queries = read_csv(paths["query.csv"], ["query_id", "query"])
    judged = read_csv(paths["label.csv"], ["query_id", "product_id", "label"])
    frame = items.frame
    features = frame.get("product_features", pd.Series("", index=frame.index))
    path = frame.get("category hierarchy", pd.Series("", index=frame.index))
    items.frame = pd.DataFrame(
        {
            "item_id": frame["product_id"],
            "title": frame["product_name"],
            "category": path.str.split(r"\s*/\s*", regex=True).str.join(" > "),
            "attributes": [_features(text) for text in features],
        }
    )
    texts = queries.frame.drop_duplicates("query_id").set_index("query_id")["query"]
    judged.frame = pd.DataFrame(
        {
            "query": judged.frame["query_id"].map(texts).fillna(""),
            "item_id": judged.frame["product_id"],
            "relevance": judged.frame["label"].map(WANDS_RELEVANCE).fillna(""),
            "split": "",
        }
    )
    return items, judged


def _features(text: str) -> str:
    """Turn "colour : red | width : 3" into a JSON object; the last of two values of a name stays."""
    pairs = [part.split(":", 1) for part in text.split("|") if ":" in part]
    features = {name.strip(): value.strip() for name, value in pairs if name.strip()}
    return json.dumps(features, ensure_ascii=False) if features else ""


PAIR = DatasetLayout("csv pair", ("items.csv", "relevance.csv"), _pair)
ESCI = DatasetLayout(
    "esci", ("shopping_queries_dataset_products.parquet", "shopping_queries_dataset_examples.parquet"), _esci
)
WANDS = DatasetLayout("wands", ("product.csv", "query.csv", "label.csv"), _wands)
LAYOUTS = (PAIR, ESCI, WANDS)


def detect(folder: Path) -> tuple[DatasetLayout, dict[str, Path]]:
    """The layout of a folder, by its file names, and the path of each file.

    Raises:
        FileNotFoundError: no such folder. LookupError: no layout is complete; names the files found and expected.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder}: no such folder of labelled data")
    for layout in LAYOUTS:
        either = ((name, folder / packed) for name in layout.files for packed in (f"{name}.gz", name))
        paths = {name: path for name, path in either if path.is_file()}  # the plain file comes last and stays
        if len(paths) == len(layout.files):
            return layout, paths
    names = sorted(path.name for path in folder.iterdir())
    expected = "; or ".join(f"{layout.name}: {' + '.join(layout.files)}" for layout in LAYOUTS)
    raise LookupError(f"{folder}: found {names}, expected {expected} (CSV also as .csv.gz)")
