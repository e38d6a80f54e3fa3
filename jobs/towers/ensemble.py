"""Two trained towers -> one pair of towers that joins them.

python -m jobs ensemble --pairs pairs/ds=2026-01-31 --queries queries/ds=2026-01-31 --items items/ds=2026-01-31 \\
    --recall towers/ds=2026-01-31/step=in_batch --precision towers/ds=2026-01-31/step=star \\
    --towers towers/ds=2026-01-31/step=ensemble

A member for recall (negatives of the batch) and one for precision (hard negatives, or items viewed and not clicked). Their
vectors stand one behind the other, so there is one space and one index; dev queries choose the weights of the members.
Huang et al. 2020 (Facebook), 2006.11632, section 6. The facts tell too what a cascade would do: the precision member
puts the first items of the recall member into another order.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any

import numpy as np

from jobs.bundle.tower_files import load_towers
from jobs.lake.arrow import Rows
from jobs.lake.partitions import NOWHERE, Partition
from jobs.lake.publish import publish
from jobs.lake.read import pin
from jobs.platform.arguments import FIRST, CommandArgs
from jobs.platform.tracking import mlflow_run
from jobs.towers.dataset import read_dataset, write_trained
from jobs.towers.dev_evaluation import CUTOFF, NAMES, DevEvaluator, Values
from jobs.towers.text_store import item_store
from models.ann.exact import nearest
from models.evaluation.intervals import mean_interval
from models.evaluation.recall import recall_and_rr
from models.fusion.ranked_lists import trec_order
from models.towers.encode import TOKEN_BUDGET, Vectors, encode_store
from models.towers.ensemble import reweighted
from models.towers.two_tower import TwoTower

EQUAL = (0.5, 0.5)
QUERIES_AT_ONCE = 256
CASCADES = (100, 200)  # first items of the recall member that the precision member puts into order


class Args(CommandArgs):
    """pairs      clicks, with those of dev queries
    queries    their texts
    items      the catalogue
    recall     towers that find
    precision  towers that tell the found apart, trained from the same start or tokenizer
    towers     output, step ensemble
    weights    shares of the precision member that dev queries choose from, with commas between them; one alone is taken
               as it is
    qrels      judgements: people's labels of 50 or more dev queries choose, instead of clicks
    """

    pairs: Partition
    queries: Partition
    items: Partition
    recall: Partition
    precision: Partition
    towers: Partition
    weights: Annotated[str, FIRST] = "0.1,0.2,0.3,0.4,0.5,0.6,0.7,0.8,0.9"
    qrels: Partition = NOWHERE

    def __post_init__(self) -> None:
        if self.towers.values["step"] != "ensemble":
            raise ValueError(f"{self.towers}: an ensemble makes step=ensemble")
        if not all(0 < share < 1 for share in self.shares):
            raise ValueError(
                f"weights={self.weights}: expected shares between 0 and 1; a member alone needs no ensemble"
            )

    @property
    def shares(self) -> list[float]:
        """Shares of the precision member."""
        return [float(share) for share in self.weights.split(",")]


def main(args: Args) -> dict[str, Any]:
    """Choose the weights on dev queries, publish the joined towers."""
    names = ("pairs", "queries", "items", "recall", "precision", *(["qrels"] if args.qrels else []))
    inputs = {name: pin(getattr(args, name)) for name in names}
    with (
        mlflow_run("ensemble", args, list(inputs.values())) as tracked,
        publish(args.towers, args, list(inputs.values())) as out,
    ):
        out.mlflow_run_id = tracked.id
        dataset = read_dataset(inputs["pairs"], inputs["queries"], inputs["items"])
        members = [load_towers(inputs[name]) for name in ("recall", "precision")]
        joined = TwoTower.ensemble(members, EQUAL)
        stores = joined.store_queries(dataset.queries), item_store(inputs["items"], joined)
        evaluator = DevEvaluator(dataset, *stores, inputs.get("qrels"))
        facts = choose(DevLists(joined, evaluator), args.shares) | evaluator.facts
        share = facts["precision_share"]
        write_trained(out, TwoTower.ensemble(members, (1 - share, share)), dataset)
        out.facts.update(facts)
        tracked.measures({f"dev/{name}": facts["chosen"][name] for name in NAMES})
    return {"towers": str(args.towers), "space_id": out.facts["space_id"], "precision_share": share, **facts["chosen"]}


@dataclass(frozen=True)
class DevLists:
    """Lists of the dev queries by an ensemble of two members. The catalogue is encoded once, whatever is tried."""

    joined: TwoTower
    evaluator: DevEvaluator

    @cached_property
    def dims(self) -> list[int]:
        """Dimensions of the members."""
        return [config.width for config in self.joined.config.member_configs]

    @cached_property
    def queries(self) -> Vectors:
        """Vectors [Q, D] of the dev queries, of equal weights."""
        store = self.evaluator.query_store.take(self.evaluator.queries)
        return encode_store(self.joined.forward_queries, store, TOKEN_BUDGET, self.joined)

    def lists(self, weights: list[tuple[float, float]], depth: int) -> list[Rows]:
        """For each pair of weights the first items [Q, depth], as rows of the items that are searched."""
        asked = [reweighted(self.queries, self.dims, EQUAL, each) for each in weights]
        rows = nearest(np.concatenate(asked), self.evaluator.item_vectors(self.joined), depth)[1]
        return list(rows.reshape(len(weights), len(self.queries), depth))

    def cascade(self, rows: Rows) -> Rows:
        """Lists [Q, N] of the recall member in the order of the precision member."""
        shown = np.unique(rows[rows >= 0])
        taken, start = [], 0
        for chunk in self.evaluator.item_vectors(self.joined):
            here = shown[(shown >= start) & (shown < start + len(chunk))] - start
            taken.append(chunk[here])
            start += len(chunk)
        vectors, asked = np.concatenate(taken), reweighted(self.queries, self.dims, EQUAL, (0.0, 1.0))
        place = np.searchsorted(shown, rows).clip(max=len(shown) - 1)
        parts = [slice(start, start + QUERIES_AT_ONCE) for start in range(0, len(rows), QUERIES_AT_ONCE)]
        scores = np.concatenate([np.einsum("qnd,qd->qn", vectors[place[part]], asked[part]) for part in parts])
        return trec_order(rows, np.where(rows < 0, -np.inf, scores).astype(np.float32)).items

    def values(self, rows: Rows) -> tuple[Values, Values]:
        """R@60 and RR@60 of each dev query."""
        found = rows[:, :CUTOFF]
        items = np.where(found < 0, -1, self.evaluator.items[found])
        return recall_and_rr(items, self.evaluator.queries, self.evaluator.relevant)


def choose(dev: DevLists, shares: list[float]) -> dict[str, Any]:
    """The share of the precision member with the highest dev R@60, and what was tried: members alone, shares, cascades.

    Raises:
        ValueError: there is no dev query to choose by.
    """
    if not len(dev.evaluator.queries):
        raise ValueError("pairs: none is of split dev; give one weight, or judgements of dev queries")
    tried = [0.0, 1.0, *shares]
    depth = min(max(CASCADES), len(dev.evaluator.items))
    lists = dev.lists([(1 - share, share) for share in tried], depth)
    values = [dev.values(rows) for rows in lists]
    rows = [{"precision_share": share, **_means(each)} for share, each in zip(tried, values, strict=True)]
    best = 2 + int(np.argmax([each[0].mean() for each in values[2:]]))
    alone = max(values[:2], key=lambda each: float(each[0].mean()))
    gain = mean_interval(values[best][0] - alone[0])._asdict()
    cascades = [{"first": first, **_means(dev.values(dev.cascade(lists[0][:, :first])))} for first in CASCADES]
    return {
        "precision_share": tried[best],
        "chosen": _means(values[best]),
        "gain_over_best_member": gain,
        "tried": rows,
        "cascades": cascades,
    }


def _means(values: tuple[Values, Values]) -> dict[str, float]:
    return dict(zip(NAMES, (float(each.mean()) for each in values), strict=True))
