"""The layouts of labelled search data sets: their files, and the way from those to items and judgements.

Items leave here with the catalogue's columns as text, judgements as query, item_id, relevance and split.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from jobs.simulator.dataset_rows import DatasetRows, read_csv, read_parquet

OPTIONAL = ("category", "brand", "attributes", "price", "group_id")
# Exact, Substitute, Complement, Irrelevant (Reddy et al. 2022, "Shopping Queries Dataset")
ESCI_RELEVANCE = {"E": "3", "S": "2", "C": "1", "I": "0"}
# Chen et al. 2022, "WANDS: Dataset for Product Search Relevance Assessment"
WANDS_RELEVANCE = {"Exact": "2", "Partial": "1", "Irrelevant": "0"}


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
    items = read_csv(paths["product.csv"], ["product_id", "product_name"], delimiter="\t")
    queries = read_csv(paths["query.csv"], ["query_id", "query"], delimiter="\t")
    judged = read_csv(paths["label.csv"], ["query_id", "product_id", "label"], delimiter="\t")
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
        paths = {name: path for name in layout.files if (path := _plain_or_packed(folder, name))}
        if len(paths) == len(layout.files):
            return layout, paths
    names = sorted(path.name for path in folder.iterdir())
    expected = "; or ".join(f"{layout.name}: {' + '.join(layout.files)}" for layout in LAYOUTS)
    raise LookupError(f"{folder}: found {names}, expected {expected} (CSV also as .csv.gz)")


def _plain_or_packed(folder: Path, name: str) -> Path | None:
    for path in (folder / name, folder / f"{name}.gz"):
        if path.is_file():
            return path
    return None
