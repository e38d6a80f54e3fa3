"""Query selection and clusters on a lake of one's own: chosen on dev queries, measured on test queries.

    NIGHTSHELF_LAKE=lake python -m tests.benchmarks._served_choices --ds 2026-01-31 --step in_batch

Search is exact. Prints JSON lines: R@60 with the dense arm always and as triggered, CPU saved; the front of clusters.
"""

from __future__ import annotations

import argparse
import json
import sys
import time

import numpy as np
import pyarrow.compute as pc

from jobs.bundle.tower_files import load_towers
from jobs.datasets.judgements import relevance_scale
from jobs.index.clusters import category_codes
from jobs.index.hybrid import known_of
from jobs.index.tuning_queries import relevant_keys
from jobs.lake.arrow import large, strings, texts
from jobs.lake.partitions import ITEMS, QRELS, QUERIES, TOWERS
from jobs.lake.read import Pinned, pin, read_table
from models.ann.exact import nearest
from models.ann.fit_spread import NEAREST, fit_spread, nearest_cluster, train_clusters
from models.evaluation.intervals import mean_interval
from models.evaluation.measures import measure
from models.evaluation.qrels import hits_in
from models.fusion.dense_trigger import fit_triggers, skipping
from models.fusion.fit_fusion import fit_fusion, judged_of
from models.fusion.fuse import classes_of, fuse_by_class
from models.fusion.ranked_lists import Ranked, take, trec_order
from models.sparse.bm25 import build_sparse
from models.towers.encode import encode_items, encode_queries

POOL, CLUSTERS = 200, 500


class Split:
    """Judged queries of a split with their two arms, over items in the order of their ids."""

    def __init__(self, name: str, day: dict[str, Pinned], shop: Shop) -> None:
        rows = read_table(day["queries"], ["query_id", "query", "split"], pc.field("split") == name).sort_by("query_id")
        self.queries = strings(rows, "query")
        self.relevant = relevant_keys(day["qrels"], relevance_scale(day["qrels"], 0.0)[0], rows, shop.ids)
        started = time.process_time()
        vectors = encode_queries(shop.towers, self.queries)
        scores, items = nearest(vectors, [shop.vectors], POOL)
        self.dense_cpu_ms = 1000 * (time.process_time() - started) / len(self.queries)
        self.dense = trec_order(items, scores)
        self.sparse = shop.sparse.search(self.queries, POOL)
        self.classes = classes_of(self.queries)

    def recall(self, ranked: Ranked, n_items: int) -> np.ndarray:
        """R@60 of each judged query."""
        rows, judged = judged_of(self.relevant, n_items)
        return measure(judged, hits_in(judged, take(ranked, rows).items), ("R@60",))[:, 0]


class Shop:
    """Items, their vectors and the sparse arm."""

    def __init__(self, day: dict[str, Pinned]) -> None:
        items = read_table(day["items"], ["item_id", "text"]).sort_by("item_id")
        self.ids = large(items.column("item_id").chunks)
        words = texts(items.column("text"))
        self.towers = load_towers(day["towers"])
        self.vectors = encode_items(self.towers, words)
        self.sparse = build_sparse(words, "none")


def main() -> None:
    """Fit on dev, measure on test."""
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--ds", required=True)
    parser.add_argument("--step", default="star")
    parser.add_argument("--min_queries", type=int, default=50)
    args = parser.parse_args()
    tables = {"items": ITEMS, "queries": QUERIES, "qrels": QRELS}
    day = {name: pin(table.at(ds=args.ds)) for name, table in tables.items()}
    day["towers"] = pin(TOWERS.at(ds=args.ds, step=args.step))
    shop = Shop(day)
    dev, test = (Split(name, day, shop) for name in ("dev", "test"))
    n = len(shop.ids)
    fit = fit_fusion(dev.dense, dev.sparse, dev.relevant, n, dev.classes, args.min_queries)
    weights = fit.weights, fit.by_class
    for min_gain in (0.005, 0.01, 0.02, 0.05):
        judged = dev.classes, dev.relevant, n
        triggers = fit_triggers((dev.dense, dev.sparse), *weights, *judged, args.min_queries, min_gain)
        searched = skipping(test.dense, test.classes, triggers.sparse_only)
        before, after = (
            test.recall(fuse_by_class(dense, test.sparse, POOL, *weights, test.classes), n)
            for dense in (test.dense, searched)
        )
        frac = float(np.isin(test.classes, triggers.sparse_only).mean())
        say(
            name="query selection",
            min_dense_gain=min_gain,
            skipped=triggers.sparse_only,
            queries_frac=frac,
            recall_60=mean_interval(after),
            moved=mean_interval(after - before),
            cpu_ms_saved_per_query=frac * test.dense_cpu_ms,
        )
    _clusters(dev, test, shop, weights, category_codes(day["items"], shop.ids))


def _clusters(dev: Split, test: Split, shop: Shop, weights: tuple, category: np.ndarray) -> None:  # type: ignore[type-arg]
    clusters = nearest_cluster(shop.vectors, train_clusters(shop.vectors, CLUSTERS, 0))
    fronts = []
    for split in (dev, test):
        fused = fuse_by_class(split.dense, split.sparse, POOL, *weights, split.classes)
        fronts.append(
            fit_spread(fused, clusters, category, known_of(split.relevant, len(shop.ids), len(split.queries)))
        )
    for row in fronts[1].front:
        say(name="clusters", clusters=CLUSTERS, chosen_on_dev=row["nearest"] == fronts[0].nearest, **row)
    assert len(fronts[1].front) == len(NEAREST)


def say(**line: object) -> None:
    """One line of JSON."""
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
