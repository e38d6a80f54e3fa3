"""ROOM=item_vectors: vectors of items by the commands themselves, in a lake of their own. RR@25; dev chooses, test tells.

sweep            settings of prod2vec on the paper's sessions, beside gensim's defaults and the paper's setting
metadata         meta-prod2vec against prod2vec by class of the given item; do brands lie beside their items?
co_click         towers that learnt from co-occurrences: alone, and as an arm of the hybrid
near_duplicates  lists by the thresholds of what is too near and too far
python -m tests.benchmarks.item_vectors --part metadata --shop groceries
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from jobs.embeddings import embed
from jobs.experiments import sweep
from jobs.experiments.search_space import METHODS
from jobs.lake.partitions import (
    CO_OCCURRENCES,
    EMBEDDINGS,
    HOLDOUT_SESSIONS,
    ITEM2VEC,
    ITEM_NEIGHBOURS,
    ITEMS,
    SESSION_ITEMS,
    SWEEP,
    TOWERS,
    Partition,
)
from jobs.lake.read import pin, read_table
from jobs.recommendations import item2vec, item_embeddings, item_neighbours
from jobs.recommendations.item_encoder import VECTORS, WORDS
from jobs.towers import train
from models.evaluation.intervals import mean_interval, ratio_span, resampled
from models.recommendations.arms import CLASSES, classes_of
from tests.benchmarks._next_item import PAPER, RETAIL, datasets
from tests.benchmarks._next_item_lake import (
    CATALOGUE,
    DS,
    Product,
    co_occurrences,
    publish_items,
    publish_shop,
    session_items,
)
from tests.benchmarks._next_item_shops import GROCERIES, SIMULATED, Shop, shop

Floats = NDArray[np.float64]
SPACE = "vector_size=24..128~;window=2..12;item2vec.epochs=10..60~;ns_exponent=-1..1;sample=1e-5..1e-2~"
JUDGED = {
    "items": ITEMS.at(ds=DS),
    "session_items": SESSION_ITEMS.at(ds=DS),
    "holdout_sessions": HOLDOUT_SESSIONS.at(ds=DS),
}
HIDDEN = ITEMS.at(ds="2026-02-01")
SESSIONS_OF: dict[str, dict[str, Any]] = {
    RETAIL: {"vector_size": 48, "epochs": 10},
    SIMULATED: {"vector_size": 48, "epochs": 20, "sample": 1e-3},
    GROCERIES: {"vector_size": 48, "epochs": 6},
}
TOWER_SETTINGS: dict[str, Any] = {
    "preset": "tiny",
    "dim": 64,
    "batch_size": 512,
    "logq": "on",
    "synthetic_queries": 0.0,
    "weight_power": 0.5,
    "epochs": 20,
    "max_steps": 1_200,
}
# gensim's defaults at the paper's dimension, and the paper's own setting
DEFAULT: dict[str, Any] = {"vector_size": 50, "window": 5, "epochs": 5, "ns_exponent": 0.75, "sample": 1e-3}
PAPERS: dict[str, Any] = {"vector_size": 50, "window": 3, "epochs": 140, "ns_exponent": 1.0, "sample": 1e-3}


def main() -> None:
    """The parts asked for, each in a lake of its own."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--part", choices=["sweep", "metadata", "co_click", "near_duplicates"], default="sweep")
    parser.add_argument("--shop", choices=[RETAIL, SIMULATED, GROCERIES], default=SIMULATED, help="of the other parts")
    parser.add_argument("--trials", type=int, default=30)
    parser.add_argument("--folder", default="", help="of the lake; a sweep goes on there; empty: one that is deleted")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as spare:
        folder = args.folder or spare
        Path(folder).mkdir(parents=True, exist_ok=True)
        os.environ |= {"NIGHTSHELF_LAKE": f"{folder}/lake", "NIGHTSHELF_HOME": f"{folder}/var"}
        if args.part == "sweep":
            tuned(args.trials)
            return
        known = shop(args.shop)
        sessions = session_items(known.train)
        last = max(day for day, _ in known.train)
        publish_shop(known.products, sessions, known.held, co_occurrences(sessions, last))
        {"metadata": metadata, "co_click": co_click, "near_duplicates": near_duplicates}[args.part](known)


def tuned(trials: int) -> None:
    """The paper's sessions: the setting that dev chose, beside gensim's defaults and the paper's, on test."""
    paper = next(datasets(PAPER))
    held = {"dev": paper.dev.pairs, "test": paper.test.pairs}
    items = {item for _, some in paper.test.train for item in some} | {
        item for some in held.values() for _, item in some
    }
    publish_shop(dict.fromkeys(items, Product()), session_items(paper.test.train, 1_000), held)
    study = {"sweep": SWEEP.at(ds=DS, study="vectors"), "stages": "prod2vec", "objective": "RR@25", "space": SPACE}
    found = sweep.main(sweep.Args(**JUDGED, **study, sampler="tpe", trials=trials))  # type: ignore[arg-type]
    best = pin(SWEEP.at(ds=DS, study="vectors")).facts["best"]["flags"]["prod2vec"]
    settings = {"gensim's defaults": DEFAULT, "the paper's setting": PAPERS, "tuned": best}
    values = {name: _trained("prod2vec", some)["all"] for name, some in settings.items()}
    for name, some in values.items():
        ratio = _ratio(some["test"], values["gensim's defaults"]["test"])
        say(
            name=f"{PAPER}, prod2vec, {name}",
            settings=settings[name],
            dev=round(float(some["dev"].mean()), 4),
            test=[round(float(end), 4) for end in mean_interval(some["test"])],
            ratio=[round(end, 3) for end in ratio],
            trials=found["trials"],
            unit="RR@25",
        )


def _trained(method: str, settings: dict[str, Any]) -> dict[str, dict[str, Floats]]:
    """RR@25 of each session: class of the given item -> split -> values."""
    made = ITEM2VEC.at(ds=DS, method=method)
    item2vec.main(item2vec.Args(**JUDGED, item2vec=made, **settings))
    rows = pq.read_table(pin(made).path("measures.parquet"))
    split, support = (np.array(rows.column(name).to_pylist()) for name in ("split", "support"))
    values = rows.column("RR@25").to_numpy()
    classes = {"all": np.ones(len(values), np.bool_), **{name: support == name for name in CLASSES}}
    return {name: {one: values[chosen & (split == one)] for one in ("dev", "test")} for name, chosen in classes.items()}


def metadata(known: Shop) -> None:
    """Both methods at one setting, whose window is chosen on dev for each; cold items are those of class none."""
    best = {}
    for method in METHODS:
        tried = [(one, _trained(method, {**SESSIONS_OF[known.name], "window": one})) for one in (2, 3, 5)]
        best[method] = max(tried, key=lambda one: float(one[1]["all"]["dev"].mean()))
    window, plain = best["prod2vec"]
    wider, meta = best["meta_prod2vec"]
    for name, values in meta.items():
        if len(ours := values["test"]):
            peer = plain[name]["test"]
            _compared(
                f"{known.name}, meta-prod2vec, given item {name}", ours, peer, "prod2vec", windows=[wider, window]
            )
    _trained("meta_prod2vec", {**SESSIONS_OF[known.name], "window": wider})
    say(name=f"{known.name}, brand=X lies nearest to an item of X", **_beside_their_items(known))


def _beside_their_items(known: Shop) -> dict[str, float]:
    """Share of brands, with three items of sessions at least, whose nearest item is one of theirs."""
    made = pin(ITEM2VEC.at(ds=DS, method="meta_prod2vec"))
    words = pq.read_table(made.path(WORDS)).column("word").to_pylist()
    vectors = np.load(made.path(VECTORS))
    brands = np.array([known.products[word].brand if word in known.products else "" for word in words])
    is_item = np.array([word in known.products for word in words])
    counts = dict(zip(*np.unique(brands[is_item & (brands != "")], return_counts=True), strict=True))
    asked = [row for row, word in enumerate(words) if counts.get(word.removeprefix("brand="), 0) >= 3 and "=" in word]
    scores = np.where(is_item, vectors[asked] @ vectors.T, -np.inf)
    right = [
        brands[near] == words[row].removeprefix("brand=") for row, near in zip(asked, scores.argmax(1), strict=True)
    ]
    return {"brands": len(asked), "share": round(float(np.mean(right)), 3)}


def co_click(known: Shop) -> None:
    """The hybrid with and without the arm, that arm and content alone, by class of the given item."""
    towers = TOWERS.at(ds=DS, step="co_click")
    tables = {"items": ITEMS.at(ds=DS), "co_occurrences": CO_OCCURRENCES.at(ds=DS)}
    started = time.process_time()
    made = train.main(
        train.Args(**tables, holdout_sessions=JUDGED["holdout_sessions"], towers=towers, **TOWER_SETTINGS)
    )
    assert made is not None
    say(name=f"{known.name}, co-click towers", **made, cpu_s=round(time.process_time() - started))
    trained = EMBEDDINGS.at(ds=DS, space=str(made["space_id"]), shard="0of1")
    embed.main(embed.Args(items=ITEMS.at(ds=DS), towers=towers, embeddings=trained))
    shards = {"content": _space("content", {}), "prod2vec": _space("prod2vec", SESSIONS_OF[known.name])}
    without = _listed(known, "hybrid", shards)
    lists = {"hybrid with the arm": _listed(known, "hybrid", {**shards, "co_click": trained})}
    say(name=f"{known.name}, weights", **pin(ITEM_NEIGHBOURS.at(ds=DS, method="hybrid")).facts["weights"])
    lists["co_click alone"] = _listed(known, "co_click", {**shards, "co_click": trained})
    content = _listed(known, "content", shards)
    classes = _classes(known)
    for name, values in lists.items():
        for label in ("all", *CLASSES):
            rows = classes == label if label != "all" else np.ones(len(classes), np.bool_)
            for peer, others in (("hybrid without the arm", without), ("content alone", content)):
                if rows.any():
                    _compared(f"{known.name}, {name}, given item {label}", values[rows], others[rows], peer)


def near_duplicates(known: Shop) -> None:
    """Thresholds by dev, with group ids hidden, so that cosines alone tell what is the same thing; then with group ids."""
    shards = {"content": _space("content", {}), "prod2vec": _space("prod2vec", SESSIONS_OF[known.name])}
    off = {"near_duplicate": 2.0, "min_cosine": -1.0}
    tried: list[tuple[str, dict[str, float]]] = [("off", off)]
    tried += [("near_duplicate", {**off, "near_duplicate": one}) for one in (0.995, 0.98, 0.95, 0.9)]
    tried += [("min_cosine", {**off, "min_cosine": one}) for one in (0.1, 0.2, 0.3, 0.5)]
    hidden = {item: one._replace(group_id="") for item, one in known.products.items()}
    publish_items(hidden, HIDDEN)
    shards_of_hidden = {
        "content": _space("content", {}, HIDDEN),
        "prod2vec": _space("prod2vec", SESSIONS_OF[known.name], HIDDEN),
    }
    before = {split: _listed(known, "hybrid", shards_of_hidden, split, HIDDEN, **off) for split in ("dev", "test")}
    for name, settings in tried:
        for split in ("dev", "test"):
            values = _listed(known, "hybrid", shards_of_hidden, split, HIDDEN, **settings)
            _compared(f"{known.name}, {split}, {name}", values, before[split], "off", **settings, **_doubles(known))
    values = _listed(known, "hybrid", shards)
    _compared(f"{known.name}, test, as served, with group ids", values, before["test"], "off", **_doubles(known))


def _space(method: str, settings: dict[str, Any], items: Partition = CATALOGUE) -> Partition:
    """Train vectors and embed the catalogue with them; returns the shard."""
    model = ITEM2VEC.at(ds=DS, method=method)
    sessions = {} if method == "content" else {"session_items": SESSION_ITEMS.at(ds=DS)}
    made = item2vec.main(item2vec.Args(items=items, item2vec=model, **sessions, **settings))
    shard = EMBEDDINGS.at(ds=items.ds, space=str(made["space"]), shard="0of1")
    item_embeddings.main(item_embeddings.Args(items=items, item2vec=model, embeddings=shard))
    return shard


def _listed(
    known: Shop,
    method: str,
    shards: dict[str, Partition],
    split: str = "test",
    items: Partition = CATALOGUE,
    **settings: Any,
) -> Floats:
    """RR@25 of each session of a split, looked up in published lists whose weights were fitted on dev."""
    at = ITEM_NEIGHBOURS.at(ds=DS, method=method)
    tables = {"items": items, "co_occurrences": CO_OCCURRENCES.at(ds=DS), **shards}
    item_neighbours.main(
        item_neighbours.Args(**tables, item_neighbours=at, holdout_sessions=JUDGED["holdout_sessions"], **settings)
    )
    lists = _lists(method)
    ranks = [
        lists[given].index(target) if target in lists.get(given, [])[:25] else -1 for given, target in known.held[split]
    ]
    return np.array([1 / (1 + rank) if rank >= 0 else 0.0 for rank in ranks])


def _lists(method: str) -> dict[str, list[str]]:
    rows = read_table(pin(ITEM_NEIGHBOURS.at(ds=DS, method=method)))
    return dict(zip(rows.column("item_id").to_pylist(), rows.column("neighbour_ids").to_pylist(), strict=True))


def _classes(known: Shop) -> NDArray[np.str_]:
    """Class of the given item of each test session."""
    rows = read_table(pin(ITEM_NEIGHBOURS.at(ds=DS, method="hybrid")), ["item_id", "support"])
    support = dict(zip(rows.column("item_id").to_pylist(), rows.column("support").to_pylist(), strict=True))
    counts = np.array([support.get(given, 0) for given, _ in known.held["test"]])
    return np.array(CLASSES)[classes_of(counts, 20)]


def _doubles(known: Shop) -> dict[str, float]:
    """Share of lists whose first 10, with the source, hold two items of one group; and items in the first 10."""
    groups = {item: one.group_id or item for item, one in known.products.items()}
    listed = [[source, *near[:10]] for source, near in _lists("hybrid").items()]
    doubled = [len({groups[item] for item in some}) < len(some) for some in listed]
    return {
        "doubled": round(float(np.mean(doubled)), 4),
        "first": round(float(np.mean([len(some) - 1 for some in listed])), 2),
    }


def _compared(name: str, ours: Floats, peer: Floats, peer_name: str, **more: object) -> None:
    moved, low, high = mean_interval(ours - peer)
    say(
        name=name,
        sessions=len(ours),
        ours=round(float(ours.mean()), 4),
        peer=round(float(peer.mean()), 4),
        peer_name=peer_name,
        difference=[round(moved, 4), round(low, 4), round(high, 4)],
        **more,
        unit="RR@25",
    )


def _ratio(ours: Floats, peer: Floats) -> tuple[float, float, float]:
    """Ratio of two means over the same sessions, with its interval."""
    drawn = resampled(np.stack([ours, peer], axis=1))
    value, low, high = ratio_span(float(ours.mean()), float(peer.mean()), drawn[:, 0], drawn[:, 1])
    return value, low, high


def say(**figures: object) -> None:
    """One JSON line."""
    sys.stdout.write(json.dumps(figures) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
