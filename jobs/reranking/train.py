"""Listings -> a ranker of the first 300: trees, or neural.

python -m jobs ranker --listings listings/ds=2026-02-07/space=7f3a5c1e9b2d4a60 --ranker ranker/ds=2026-02-07/kind=trees
python -m jobs ranker --listings ... --ranker ranker/ds=2026-02-07/kind=neural --loss ndcg2pp

Lists of split train are trained on, those of split dev choose the number of trees or the epoch, those of split test are
not read. A killed neural training continues from its checkpoint.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import torch
from numpy.typing import NDArray
from safetensors.numpy import save_file

from jobs.bundle.files import write_json
from jobs.bundle.reranker import CONFIG_FILE, GOLDEN_FILE, NEURAL, TREES, TREES_FILE, open_reranker
from jobs.lake.arrow import table_of
from jobs.lake.attempt import Attempt
from jobs.lake.partitions import Partition
from jobs.lake.publish import publish
from jobs.lake.read import Pinned, pin
from jobs.platform.tracking import MlflowRun, mlflow_run
from jobs.reranking.dataset import ListingData, ListSubset, read_listings
from jobs.reranking.neural_files import fit_neural
from jobs.reranking.settings import RankerSettings
from jobs.towers.resume import resume_key
from jobs.towers.training_loop import Checkpoint
from models.reranking.features import FEATURES
from models.reranking.trees import FittedTrees, TreeSettings, fit_trees

log = logging.getLogger(__name__)
GOLDEN_LISTS = 5
SHOWN = ("ranker_id", "lists", "dev_ndcg10", "dev_first_stage")
IMPORTANCE_LISTS = 100
Score = Callable[[int], NDArray[np.float32]]


class Args(RankerSettings, kw_only=True):
    """listings  lists to train on
    ranker    output; its key kind: trees or neural
    """

    listings: Partition
    ranker: Partition

    @property
    def kind(self) -> str:
        """Trees or neural."""
        return self.ranker.values["kind"]


def main(args: Args) -> dict[str, Any]:
    """Train, measure on the dev lists, write the ranker with golden listings, open it as a service would."""
    listings = pin(args.listings)
    torch.set_num_threads(args.threads)
    checkpoint = Checkpoint(args.ranker, resume_key(args, [listings], list(FEATURES)))
    with mlflow_run("ranker", args, [listings]) as tracked, publish(args.ranker, args, [listings]) as out:
        out.mlflow_run_id = tracked.id
        data = read_listings(listings)
        train, dev = data.subset("train", args.most_lists), data.subset("dev")
        _check(args, listings, train, dev)
        score = _fit(args, data, (train, dev), out, tracked, checkpoint)
        _write_golden(data, dev if len(dev) else train, score, out)
        _set_facts(args, listings, data, dev, score, out)
        tracked.measures({name: value for name, value in out.facts.items() if isinstance(value, float)})
    checkpoint.remove()
    open_reranker(pin(args.ranker))
    return {"ranker": str(args.ranker), **{name: out.facts[name] for name in SHOWN}}


def _check(args: Args, listings: Pinned, train: ListSubset, dev: ListSubset) -> None:
    if not len(train):
        raise LookupError(f"{listings.partition}: 0 lists of split train; expected one at least")
    if not len(dev):
        log.warning("%s: no list of split dev: the last tree or epoch is kept, the best or not", args.ranker)


def _fit(
    args: Args,
    data: ListingData,
    lists: tuple[ListSubset, ListSubset],
    out: Attempt,
    tracked: MlflowRun,
    checkpoint: Checkpoint,
) -> Score:
    """Train the kind that the address names, write its files; returns its scores of a list, by number."""
    train, dev = lists
    if args.kind == NEURAL:
        model_score = fit_neural(args, train, dev, out, tracked, checkpoint)
        _write_importances(out, _permuted(data, dev if len(dev) else train, model_score))
        return lambda number: model_score(number, data.features(number))
    settings = TreeSettings(
        rounds=args.rounds,
        leaves=args.leaves,
        lr=args.tree_lr,
        min_rows=args.min_rows,
        patience=args.patience,
        unbiased=args.unbiased == "on",
        seed=args.seed,
        threads=args.threads,
    )
    fitted = fit_trees(
        train.trees(settings.levels), dev.trees(settings.levels) if len(dev) else None, FEATURES, settings
    )
    (out.folder / TREES_FILE).write_text(fitted.text(), "utf-8")
    write_json({"kind": TREES, "rounds": fitted.rounds}, out.folder / CONFIG_FILE)
    out.facts["trees"] = fitted.rounds
    _write_importances(out, _gains(fitted))
    return lambda number: np.asarray(
        fitted.booster.predict(data.features(number), num_iteration=fitted.rounds, num_threads=1), np.float32
    )


def _gains(fitted: FittedTrees) -> dict[str, float]:
    """Share of each feature in the gain of all splits."""
    gain = fitted.booster.feature_importance("gain", iteration=fitted.rounds)
    return dict(zip(FEATURES, (gain / max(gain.sum(), 1e-12)).tolist(), strict=True))


def _permuted(
    data: ListingData, lists: ListSubset, score: Callable[[int, NDArray[np.float32]], NDArray[np.float32]]
) -> dict[str, float]:
    """Loss of dev nDCG@10 when a feature's values change places within each list; what a list shares moves nothing."""
    some = ListSubset(data, lists.numbers[:IMPORTANCE_LISTS])
    features = {number: data.features(number) for number in some.numbers.tolist()}
    orders = {number: np.random.default_rng(number).permutation(len(rows)) for number, rows in features.items()}
    whole = float(some.values(lambda number: score(number, features[number])).mean())

    def without(place: int) -> float:
        def shuffled(number: int) -> NDArray[np.float32]:
            rows = features[number].copy()
            rows[:, place] = rows[orders[number], place]
            return score(number, rows)

        return float(some.values(shuffled).mean())

    return {name: whole - without(place) for place, name in enumerate(FEATURES)}


def _write_importances(out: Attempt, importances: dict[str, float]) -> None:
    ordered = sorted(importances.items(), key=lambda row: -row[1])
    rows = table_of({"feature": [name for name, _ in ordered], "importance": np.array([value for _, value in ordered])})
    pq.write_table(rows, out.folder / "importances.parquet", write_page_checksum=True)
    out.facts["importances"] = {name: round(value, 6) for name, value in ordered[:20]}


def _write_golden(data: ListingData, lists: ListSubset, score: Score, out: Attempt) -> None:
    """Inputs and scores of some lists: a service checks them when it opens the ranker. They hold no text."""
    tensors: dict[str, NDArray[np.float32]] = {}
    for place, number in enumerate(lists.numbers[:GOLDEN_LISTS].tolist()):
        rows = data.listed(number).rows
        tensors |= {
            f"numbers.{place}": data.features(number),
            f"query.{place}": np.ascontiguousarray(data.query_vectors[number : number + 1]),
            f"items.{place}": np.ascontiguousarray(data.bundle.item_vectors(rows)),
            f"scores.{place}": score(number),
        }
    save_file(tensors, out.folder / GOLDEN_FILE)


def _set_facts(args: Args, listings: Pinned, data: ListingData, dev: ListSubset, score: Score, out: Attempt) -> None:
    """Figures of the dev lists, and what the reader checks."""
    own, first = (
        dev.values(values) if len(dev) else np.zeros(0)
        for values in (score, lambda number: -np.arange(len(data.listed(number).rows), dtype=np.float32))
    )
    files = sorted(path for path in out.folder.iterdir() if path.name != GOLDEN_FILE)
    content = hashlib.sha256(b"".join(hashlib.sha256(path.read_bytes()).digest() for path in files))
    content.update(str(data.bundle.facts["space_id"]).encode())
    out.facts.update(
        kind=args.kind,
        ranker_id=content.hexdigest()[:16],
        space_id=data.bundle.facts["space_id"],
        features=list(FEATURES),
        lists=int((data.splits == "train").sum()),
        dev_lists=len(dev),
        dev_ndcg10=float(own.mean()) if len(own) else -1.0,
        dev_first_stage=float(first.mean()) if len(first) else -1.0,
        listings=str(listings.partition),
    )
