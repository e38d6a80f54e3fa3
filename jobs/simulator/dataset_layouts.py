"""The layouts of labelled search data sets: their files, and the way from those to items and judgements.

Every cell is read as text. A row is either taken or rejected, and counted by reason. Items leave here with the
catalogue's columns, judgements with query, item_id, relevance and split.
"""

from __future__ import annotations

import gzip
import json
import math
import zlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from jobs.lake.storage import refuse_links
from jobs.platform import csv_text
from jobs.platform.spark_udfs import TextFunction, clean_ids
from models.text.normalise import normalise_query

KEPT_REJECTS = 10_000  # rows that go into the quarantine file of a table; all are counted
OPTIONAL = ("category", "brand", "attributes", "price", "currency", "group_id")
# Reddy et al. 2022, "Shopping Queries Dataset"; its first release (KDD Cup 2022) has the words
ESCI_RELEVANCE = {"e": "3", "s": "2", "c": "1", "i": "0"}
ESCI_RELEVANCE |= {"exact": "3", "substitute": "2", "complement": "1", "irrelevant": "0"}
# Chen et al. 2022, "WANDS: Dataset for Product Search Relevance Assessment"
WANDS_RELEVANCE = {"exact": "2", "partial": "1", "irrelevant": "0"}
BEIR_SPLITS = ("train", "dev", "test")


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
    frame = pd.DataFrame({name: _decoded(table, name) for name in table.column_names})
    # files put behind each other have their header again, perhaps behind a mark
    frame = frame[~frame.apply(lambda column: column.str.lstrip("\ufeff").eq(column.name)).all(axis=1)]
    rows = DatasetRows(frame, len(frame) + len(bad))
    if bad:
        rows.note(len(bad), "wrong_width", bad)
    rows.reject(rows.frame.isna().any(axis=1), "not_utf8")
    return rows


def read_parquet(path: Path, required: Sequence[str], column: str, value: str) -> DatasetRows:
    """Read columns of a Parquet file as text, of the rows whose `column` has the value.

    Raises:
        ValueError: it is no Parquet file, a required column is missing, or no row has the value; says which it has.
    """
    try:
        _require_columns(path, pq.read_schema(path).names, [*required, column])
        of_rows = pq.read_table(path, columns=[column]).column(column).cast(pa.string())
        table = pq.read_table(path, columns=list(required), filters=[(column, "=", value)])
        frame = table.cast(pa.schema([pa.field(name, pa.string()) for name in required])).to_pandas()
    except (pa.ArrowException, OSError) as error:
        raise ValueError(f"{path}: not readable as Parquet with texts in {column} ({error})") from error
    if frame.empty:
        counts = of_rows.to_pandas().value_counts().head(20)
        present = ", ".join(f"{name} ({number:,} rows)" for name, number in counts.items())
        raise ValueError(f"{path}: no row has {column} {value!r}; it has {present or 'no rows'}")
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
    """files: the names that make it this layout, each plain or with .gz, or a folder; read(paths, locale).

    from_one: its grades are those of trec_eval, where 1 is relevant and 0 gains nothing, whatever the lowest one is.
    """

    name: str
    files: tuple[str, ...]
    read: Callable[[dict[str, Path], str], tuple[DatasetRows, DatasetRows]]
    from_one: bool = False


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
    judged.frame["relevance"] = _graded(example, judged.frame["esci_label"], ESCI_RELEVANCE)
    return items, judged


def _graded(path: Path, labels: pd.Series[str], grades: Mapping[str, str]) -> pd.Series[str]:
    """The grade of each label, empty for a label that is not known.

    Raises:
        ValueError: none is known; says which labels the file has.
    """
    relevance = labels.str.strip().str.lower().map(grades)
    if len(labels) and relevance.isna().all():
        present = labels.value_counts().head(20).to_dict()
        raise ValueError(f"{path}: its {labels.name} are {present}, expected {', '.join(grades)}")
    return relevance.fillna("")


def cleaned(texts: pd.Series[str], clean: TextFunction) -> pd.Series[str]:
    """A column in the form that `clean` gives its texts."""
    return pd.Series(clean(pa.array(texts, pa.string())).to_numpy(zero_copy_only=False), index=texts.index)


def _texts_of(judged: DatasetRows, queries: pd.DataFrame) -> pd.Series[str]:
    """The text of each judgement's query_id, empty where it has none.

    Which of two texts of one query_id was judged is not known: such judgements are rejected.
    """
    queries = queries.assign(
        query_id=cleaned(queries["query_id"], clean_ids), key=queries["query"].map(normalise_query)
    )
    named = queries.drop_duplicates(["query_id", "key"])
    twice = set(named.loc[named["query_id"].duplicated(), "query_id"])
    judged.frame = judged.frame.assign(query_id=cleaned(judged.frame["query_id"], clean_ids))
    judged.reject(judged.frame["query_id"].isin(twice), "query_id_of_several_texts")
    texts = named.drop_duplicates("query_id").set_index("query_id")["query"]
    return judged.frame["query_id"].map(texts).fillna("")


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
    texts = _texts_of(judged, queries.frame)
    judged.frame = pd.DataFrame(
        {
            "query": texts,
            "item_id": judged.frame["product_id"],
            "relevance": _graded(paths["label.csv"], judged.frame["label"], WANDS_RELEVANCE),
            "split": "",
        }
    )
    return items, judged


def _beir(paths: dict[str, Path], _: str) -> tuple[DatasetRows, DatasetRows]:
    """Thakur et al. 2021, "BEIR"; ids as text. An item without a title is named by its text."""
    items = read_json_lines(paths["corpus.jsonl"], ["_id", "title", "text"])
    queries = read_json_lines(paths["queries.jsonl"], ["_id", "text"])
    judged = DatasetRows(pd.DataFrame(columns=["query_id", "item_id", "relevance", "split"], dtype=str), 0)
    for path in _split_files(paths["qrels"]):
        rows = read_csv(path, ["query-id", "corpus-id", "score"])
        columns = {"query-id": "query_id", "corpus-id": "item_id", "score": "relevance"}
        frame = rows.frame.rename(columns=columns).assign(split=path.name.partition(".")[0])
        judged.frame = pd.concat([judged.frame, frame[[*columns.values(), "split"]]], ignore_index=True)
        judged.rows_in += rows.rows_in
        judged.dropped += rows.dropped
        judged.rejects += rows.rejects
    frame, named = items.frame, items.frame["title"].str.strip() != ""
    items.frame = pd.DataFrame(
        {
            "item_id": frame["_id"],
            "title": frame["title"].where(named, frame["text"]),
            "attributes": [
                json.dumps({"text": text}, ensure_ascii=False) if text and own else ""
                for text, own in zip(frame["text"], named, strict=True)
            ],
        }
    )
    texts = _texts_of(judged, queries.frame.rename(columns={"_id": "query_id", "text": "query"}))
    judged.frame = judged.frame.assign(query=texts)
    return items, judged


def _split_files(folder: Path) -> list[Path]:
    """The file of each split, plain or gzip.

    Raises:
        ValueError: there is none, or one is a symbolic link.
    """
    named = [folder / f"{split}.tsv{packed}" for split in BEIR_SPLITS for packed in ("", ".gz")]
    if not (files := [path for path in named if path.is_file()]):
        names = sorted(path.name for path in folder.iterdir())
        raise ValueError(
            f"{folder}: found {names}, expected some of {', '.join(f'{name}.tsv' for name in BEIR_SPLITS)}"
        )
    refuse_links(map(str, files))
    return files


def read_json_lines(path: Path, columns: Sequence[str]) -> DatasetRows:
    """Read fields of JSON objects, a line each, plain or gzip, as text; other lines are rejected.

    Raises:
        ValueError: the gzip file is cut off or damaged.
    """
    rows: list[list[str]] = []
    bad: dict[str, list[dict[str, object]]] = {"malformed": [], "not_utf8": []}
    try:
        with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as file:
            for number, line in enumerate(file, 1):
                try:
                    record = json.loads(line.decode("utf-8-sig" if number == 1 else "utf-8"))
                    rows.append([_plain(record.get(name)) for name in columns])
                except UnicodeDecodeError:
                    bad["not_utf8"].append({"line": number})
                except (ValueError, AttributeError, RecursionError):
                    if line.strip():
                        bad["malformed"].append({"line": number, "text": line[:200].decode("utf-8", "replace")})
    except (EOFError, OSError, zlib.error) as error:
        raise ValueError(f"{path}: cannot be read to its end ({error}); is it cut off or damaged?") from error
    read = DatasetRows(pd.DataFrame(rows, columns=list(columns), dtype=str), len(rows) + sum(map(len, bad.values())))
    for reason, lines in bad.items():
        if lines:
            read.note(len(lines), reason, lines)
    return read


def _plain(value: object) -> str:
    """A JSON value as text: 7 and 7.0 are one id; null, NaN, lists and objects are no text, half a character is `?`."""
    if isinstance(value, float) and math.isnan(value):  # as pandas writes what is missing
        return ""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    text = str(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else ""
    return text.encode("utf-8", "replace").decode("utf-8")


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
BEIR = DatasetLayout("beir", ("corpus.jsonl", "queries.jsonl", "qrels"), _beir, from_one=True)
LAYOUTS = (PAIR, ESCI, WANDS, BEIR)


def detect(folder: Path) -> tuple[DatasetLayout, dict[str, Path]]:
    """The layout of a folder, by its file names, and the path of each file.

    Raises:
        FileNotFoundError: no such folder. LookupError: no layout is complete; names the files found and expected.
        ValueError: a file is a symbolic link.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder}: no such folder of labelled data")
    for layout in LAYOUTS:
        either = ((name, folder / packed) for name in layout.files for packed in (f"{name}.gz", name))
        # the plain file comes last and stays
        paths = {name: path for name, path in either if (path.is_dir() if path.name == "qrels" else path.is_file())}
        if len(paths) == len(layout.files):
            refuse_links(map(str, paths.values()))
            return layout, paths
    names = sorted(path.name for path in folder.iterdir())
    expected = "; or ".join(f"{layout.name}: {' + '.join(layout.files)}" for layout in LAYOUTS)
    raise LookupError(f"{folder}: found {names}, expected {expected} (CSV and JSON lines also as .gz)")
