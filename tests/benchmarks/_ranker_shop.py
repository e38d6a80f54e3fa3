"""A simulated shop with known relevance: rankers learn from its clicks alone, and are judged by what is true.

Two days of the log teach the towers and the numbers of the items; the day after them, which neither has seen, makes the
listings. All by the demo's commands. The judged queries are those of split test, which nothing was trained on.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jobs.bundle.reader import Bundle, open_bundle
from jobs.bundle.reranker import open_reranker
from jobs.lake.partitions import INDEX, LISTINGS, QRELS, QUERIES, RANKER, Partition
from jobs.lake.read import pin
from jobs.reranking import train
from tests.benchmarks._ranker_arms import judged_arms, tell_gain

Floats = NDArray[np.float64]
DAYS = ("2026-01-30", "2026-01-31", "2026-02-01")
LAST = "2026-01-31"  # that the towers and the numbers have seen
SEEDS = 3
TREES, NEURAL = "trees", "neural"
# name of an arm: kind, how its labels were made, settings
ARMS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "trees": (TREES, "on", {}),
    "trees, labels without propensities": (TREES, "off", {}),
    "neural": (NEURAL, "on", {}),
    "neural, numbers alone": (NEURAL, "on", {"reads": "numbers"}),
    "neural, vectors alone": (NEURAL, "on", {"reads": "vectors"}),
    "neural, labels without propensities": (NEURAL, "off", {}),
}
# (better, worse, ratio that is expected)
CLAIMS = (
    ("trees", "hybrid", 1.09),
    ("neural", "hybrid", 1.10),
    ("neural", "trees", 1.0),
    ("neural", "neural, numbers alone", 1.0),
    ("neural", "neural, vectors alone", 1.0),
    ("trees", "trees, labels without propensities", 1.0),
    ("neural", "neural, labels without propensities", 1.0),
)


def shop(items: int, queries: int, searches: int, seed: int, towers: str = "--preset tiny --epochs 3") -> None:
    """Make the shop, its index and its listings in the lake of NIGHTSHELF_LAKE."""
    source = f"--catalogue catalogue/ds={LAST}"
    made = [f"marketplace {source} --labels labels/ds={LAST} --items {items} --queries {queries} --seed {seed}"]
    for number, ds in enumerate(DAYS):
        log = f"--log log/ds={ds} --simulated_truth simulated_truth/ds={ds} --seed {100 * seed + number}"
        shown = f"--impressions impressions/ds={ds} --late_impressions late_impressions/ds={ds} --items items/ds={ds}"
        made += [
            f"simulate {source} --labels labels/ds={LAST} {log} --searches {searches}",
            f"items {source} --items items/ds={ds}",
            f"impressions --log log/ds={ds} --impressions impressions/ds={ds}",
            f"click_counts {shown} --click_counts click_counts/ds={ds} --query_counts query_counts/ds={ds}",
        ]
    for ds in (LAST, DAYS[-1]):
        made += [
            f"propensities --click_counts click_counts/ds={ds} --propensities propensities/ds={ds}",
            f"queries --query_counts query_counts/ds={ds} --labels labels/ds={LAST} --queries queries/ds={ds}",
        ]
    day = f"--queries queries/ds={LAST} --items items/ds={LAST}"
    clicked = f"--click_counts click_counts/ds={LAST} --propensities propensities/ds={LAST}"
    made += [
        f"pairs {clicked} {day} --pairs pairs/ds={LAST}",
        f"qrels --labels labels/ds={LAST} {day} --qrels qrels/ds={LAST}",
        f"item_features {clicked} --items items/ds={LAST} --item_features item_features/ds={LAST}",
        f"towers --pairs pairs/ds={LAST} {day} {towers} --towers towers/ds={LAST}/step=in_batch",
    ]
    batch(made)
    batch(served(LAST, space_of(LAST)))


def served(ds: str, space: str) -> list[str]:
    """Commands from towers of step in_batch and a day's tables to the index."""
    at, towers = f"ds={ds}/space={space}", f"--towers towers/ds={ds}/step=in_batch"
    shard = f"embeddings/{at}/shard=0of1"
    coded = f"--embeddings {shard} --trained_index trained_index/{at} --codes codes/{at}/shard=0of1"
    judged = f"{towers} --queries queries/ds={ds} --qrels qrels/ds={ds}"
    return [
        f"embeddings --items items/ds={ds} {towers} --embeddings {shard}",
        f"trained_index --embeddings {shard} {judged} --trained_index trained_index/{at}",
        f"codes {coded}",
        f"index {coded} {judged} --items items/ds={ds} --item_features item_features/ds={ds} --index index/{at}",
    ]


def space_of(ds: str) -> str:
    """Space id of the day's towers."""
    command = [sys.executable, "-m", "jobs", "pin", "--towers", f"towers/ds={ds}/step=in_batch"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return str(json.loads(done.stdout.strip().splitlines()[-1])["space"])


def batch(lines: list[str]) -> None:
    """Run commands in one process."""
    command = [sys.executable, "-m", "jobs", "batch", "--commands", "-"]
    subprocess.run(command, input="\n".join(lines), check=True, text=True, stdout=subprocess.DEVNULL)


def listings(debias: str, days: int = 1) -> Partition:
    """Listings of the days that nothing has seen, with labels by propensities or without; made where they are not there."""
    # a partition has one address: the labels without propensities lie under the day before
    ds = DAYS[-1] if debias == "on" else DAYS[-2]
    made = LISTINGS.at(ds=ds, space=space_of(LAST))
    tables = " ".join(f"--{name} {name}/ds={DAYS[-1]}" for name in ("queries", "click_counts", "propensities"))
    index = INDEX.at(ds=LAST, space=space_of(LAST))
    batch([f"listings --index {index} {tables} --window_days {days} --debias {debias} --listings {made}"])
    return made


def ranker(made: Partition, kind: str, number: int, seed: int, **settings: Any) -> Partition:
    """A ranker of one seed; `number` tells arms apart, as a day of the address."""
    to = RANKER.at(ds=f"2026-03-{1 + number:02d}" if not seed else f"2026-0{3 + seed}-{1 + number:02d}", kind=kind)
    train.main(train.Args(listings=made, ranker=to, seed=seed, **settings))
    return to


def rankers(split: str = "test", more: Mapping[str, dict[str, Any]] = {}) -> dict[str, Floats]:
    """nDCG@10 [seeds, Q] of each arm by the truth. more: settings of a kind."""
    made = {debias: listings(debias) for debias in ("on", "off")}
    bundle = open_bundle(pin(INDEX.at(ds=LAST, space=space_of(LAST))))
    found: dict[str, Floats] = {}
    for number, (arm, (kind, debias, settings)) in enumerate(ARMS.items()):
        those = [ranker(made[debias], kind, number, seed, **more.get(kind, {}), **settings) for seed in range(SEEDS)]
        arms = arms_by_truth(bundle, split, {f"{arm} {seed}": each for seed, each in enumerate(those)})
        found.setdefault("hybrid", arms["hybrid"][None])
        found[arm] = np.stack([arms[f"{arm} {seed}"] for seed in range(SEEDS)])
        sys.stderr.write(f"{arm}: {found[arm].mean():.4f}, hybrid {found['hybrid'].mean():.4f}\n")
    return found


def arms_by_truth(bundle: Bundle, split: str, those: Mapping[str, Partition]) -> dict[str, Floats]:
    """nDCG@10 [Q] of hybrid and of rankers, by the judgements that the clicks were drawn from."""
    tables = pin(QUERIES.at(ds=LAST)), pin(QRELS.at(ds=LAST))
    opened = {name: open_reranker(pin(each)) for name, each in those.items()}
    return {name: arm.column("nDCG@10") for name, arm in judged_arms(bundle, *tables, split, opened).arms.items()}


def tell_shop(found: Mapping[str, Floats], about: str) -> None:
    """A JSON line for each claim."""
    for better, worse, expected in CLAIMS:
        tell_gain(f"ranker: shop, {better}", found[better], found[worse], worse, f"{about}; expected x{expected:g}")


def main(items: int, queries: int, searches: int, seed: int) -> None:
    """Make the shop where the lake has none, train all arms, tell."""
    if not (Path(os.environ["NIGHTSHELF_LAKE"]) / "index_v1").is_dir():
        shop(items, queries, searches, seed)
    found = rankers()
    about = f"{found['hybrid'].shape[1]} test queries, {SEEDS} seeds, {items:,} items"
    tell_shop(found, about)
