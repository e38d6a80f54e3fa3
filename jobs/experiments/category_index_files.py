"""Files of `categories`: a FAISS index per category, the items of each, and the router; write, read and search."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import faiss
import numpy as np
import pyarrow.parquet as pq

from jobs.bundle.files import write_index, write_json
from jobs.lake.arrays import save_array
from jobs.lake.arrow import Strings, numbers, table_of
from jobs.lake.read import Pinned
from models.ann.by_category import CategoryPart, search
from models.ann.exact import Rows, Vectors
from models.ann.routing import Router, own
from models.fusion.ranked_lists import Ranked

FORMAT = 1
ABOUT_FILE, ITEMS_FILE, CENTROIDS_FILE = "categories.json", "items.parquet", "centroids.npy"


@dataclass(frozen=True)
class CategoryIndex:
    """All categories. item_ids [N]; category [N]: number of each item's part in `parts`."""

    parts: list[CategoryPart]
    router: Router
    item_ids: Strings
    category: Rows
    space_id: str

    def search(self, queries: Vectors, depth: int) -> Ranked:
        """Rank items for query vectors [Q, D] in the categories that the router chooses."""
        return search(self.parts, queries, self.router.choose(queries), depth)

    def alike(self, rows: Rows, vectors: Vectors, depth: int) -> Ranked:
        """Rank items for items as queries: catalogue rows [Q], each searched in its own category only."""
        return search(self.parts, vectors, own(self.category[rows], len(self.parts)), depth)


def write_categories(made: CategoryIndex, folder: Path) -> None:
    """Write all files. Category names, which people typed, never become file names."""
    for number, part in enumerate(made.parts):
        write_index(part.index, folder / _file(number))
    save_array(folder / CENTROIDS_FILE, made.router.centroids)
    items = table_of({"item_id": made.item_ids, "category": made.category.astype(np.int32)})
    pq.write_table(items, folder / ITEMS_FILE, compression="zstd", write_page_checksum=True)
    rule = {"margin": made.router.margin, "most": made.router.most}
    about = [
        {"name": part.name, "factory": part.factory, "settings": part.settings, "centroids": int(count)}
        for part, count in zip(made.parts, np.bincount(made.router.owner), strict=True)
    ]
    write_json({"format": FORMAT, "space_id": made.space_id, "router": rule, "parts": about}, folder / ABOUT_FILE)


def load_categories(pinned: Pinned) -> CategoryIndex:
    """Load a published partition; every file is checked before it is opened.

    Raises:
        RuntimeError: a file is damaged, or the parts do not hold each item once in the space of the address.
    """
    about = json.loads(pinned.path(ABOUT_FILE).read_bytes())
    if about.get("format") != FORMAT:
        raise RuntimeError(
            f"{pinned.partition}: format {about.get('format')}, this code reads {FORMAT};"
            " run jobs.experiments.category_index again with this code"
        )
    items = pq.read_table(pinned.path(ITEMS_FILE))
    category = numbers(items, "category").astype(np.int64)
    parts = []
    for number, part in enumerate(about["parts"]):
        index = faiss.read_index(str(pinned.path(_file(number))))
        rows = np.flatnonzero(category == number).astype(np.int32)
        if index.ntotal != len(rows) or index.metric_type != faiss.METRIC_INNER_PRODUCT:
            raise RuntimeError(
                f"{pinned.partition}: part {number} holds {index.ntotal:,} items, {ITEMS_FILE} says"
                f" {len(rows):,}; expected as many, by inner product: run jobs.experiments.category_index again"
            )
        parts.append(CategoryPart(part["name"], part["factory"], index, rows, part["settings"]))
    if about["space_id"] != pinned.partition.values["space"]:
        raise RuntimeError(f"{pinned.partition}: made in space {about['space_id']}")
    owner = np.repeat(np.arange(len(parts)), [part["centroids"] for part in about["parts"]])
    centroids = np.load(pinned.path(CENTROIDS_FILE), allow_pickle=False)
    router = Router(centroids, owner, **about["router"])
    item_ids = items.column("item_id").combine_chunks()
    return CategoryIndex(parts, router, item_ids, category, about["space_id"])


def _file(number: int) -> str:
    return f"part-{number:05d}.faiss"
