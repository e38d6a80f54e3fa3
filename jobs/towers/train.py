"""Pairs -> the query and item towers of a two-tower model.

python -m jobs towers --pairs pairs/ds=2026-01-31 --queries queries/ds=2026-01-31 --items items/ds=2026-01-31 \\
    --towers towers/ds=2026-01-31/step=in_batch
python -m jobs towers ... --start towers/ds=2026-01-31/step=in_batch \\
    --negatives negatives/ds=2026-01-31/space=7f3a5c1e9b2d4a60 --towers towers/ds=2026-01-31/step=star
python -m jobs towers --co_occurrences co_occurrences/ds=2026-01-31 --holdout_sessions holdout_sessions/ds=2026-01-31 \\
    --items items/ds=2026-01-31 --towers towers/ds=2026-01-31/step=co_click --logq on      (items on both sides)
torchrun --nproc-per-node=8 -m jobs towers ...

Only pairs of split train are trained on, and of the queries' texts only theirs reach the tokenizer. After each epoch
the dev queries are searched, and the best epoch is kept: by people's labels of them where --qrels has enough, else by
clicks. A killed training continues from its checkpoint.
"""

from __future__ import annotations

import logging
import os
from dataclasses import asdict, replace
from functools import partial

import numpy as np
import pyarrow.parquet as pq
import torch

from jobs.bundle.tower_files import load_towers
from jobs.lake.partitions import NOWHERE, Partition, trial
from jobs.lake.publish import publish
from jobs.lake.read import Pinned, pin
from jobs.platform.arguments import OnOff
from jobs.platform.distributed import device, processes
from jobs.platform.registry import register_towers
from jobs.platform.tracking import mlflow_run
from jobs.towers.bert_checkpoint import pretrained_towers
from jobs.towers.cross_encoder_files import read_pair_scorer
from jobs.towers.dataset import TowerDataset, bytes_per_pair, read_dataset, write_trained
from jobs.towers.dev_evaluation import NAMES, DevEvaluator
from jobs.towers.item_pairs import read_item_pairs
from jobs.towers.resume import resume_key
from jobs.towers.settings import TowerSettings
from jobs.towers.train_labels import AUTO, BOTH, CLICKS, LABELS, read_train_labels, with_labels, with_pseudo_positives
from jobs.towers.training_loop import Checkpoint, TrainingLoop, follow
from models.text.ragged import Ragged
from models.text.tokens import train_tokenizer
from models.towers.encode import query_latency
from models.towers.space_id import space_id
from models.towers.two_tower import TwoTower
from models.training.distillation import Teacher
from models.training.distributed import ProcessGroup
from models.training.examples import Examples
from models.training.memory import MEMORY_FRAC, StepTexts, chunk_within, device_bytes
from models.training.tower_training import TowerPlan, TowerTraining

log = logging.getLogger(__name__)
CO_CLICK = "co_click"
INPUTS = (
    *("pairs", "queries", "items", "start", "negatives", "prodbert", "qrels", "unclicked", "cross_encoder"),
    *("co_occurrences", "holdout_sessions"),
)
TOKENIZER_ITEMS = 1_000_000
LATENCY_QUERIES = 200
CURVES = ("loss", "lr", "temperature", "padding_frac", "mean_cosine", "effective_rank", *NAMES)
Inputs = dict[str, Pinned]


class Args(TowerSettings, kw_only=True):
    """items             the catalogue that is searched
    towers            output; its key step: in_batch, star (with start and negatives), or co_click (co_occurrences)
    pairs             positives; those of split train are trained on; none of any split becomes a negative
    queries           their texts
    co_occurrences    pairs of items of one session, instead of pairs and queries: both sides are items
    holdout_sessions  sessions of split dev choose the epoch of co_click; empty: the last one is kept
    start             towers to continue from; empty: new ones of the preset
    restart           on: new towers, of the preset, are trained with the negatives that `start` mined
    fallback          on: the towers of `start` are published unless an epoch is significantly better in dev R@60;
                      off: the best epoch is published, even a worse one
    negatives         hard negatives mined with `start`; empty: in-batch negatives only
    prodbert          a BERT of the command `prodbert`; empty: the preset's own
    qrels             judgements: people's labels of 50 or more dev queries choose the epoch, instead of clicks; those of
                      train queries are learnt from (`learn`, `judged_negatives`)
    unclicked         items that were viewed and not clicked, as negatives; empty: none
    cross_encoder     a teacher: the towers learn its margin between a positive and the query's own listed negatives;
                      empty: none
    """

    items: Partition
    towers: Partition
    pairs: Partition = NOWHERE
    queries: Partition = NOWHERE
    co_occurrences: Partition = NOWHERE
    holdout_sessions: Partition = NOWHERE
    start: Partition = NOWHERE
    restart: OnOff = "off"
    fallback: OnOff = "on"
    negatives: Partition = NOWHERE
    prodbert: Partition = NOWHERE
    qrels: Partition = NOWHERE
    unclicked: Partition = NOWHERE
    cross_encoder: Partition = NOWHERE

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_sides()
        if self.negatives and not self.start:
            raise ValueError("negatives: give `start` too, the towers they were mined with")
        if (self.learn in (LABELS, BOTH) or self.judged_negatives) and not self.qrels:
            raise ValueError(
                f"learn={self.learn}, judged_negatives={self.judged_negatives}: give `qrels`, people's judgements"
            )
        if bool(self.unclicked_negatives) != bool(self.unclicked):
            raise ValueError("unclicked: give both the partition and `unclicked_negatives`, or none of them")
        if self.pseudo_weight and not self.negatives:
            raise ValueError(f"pseudo_weight={self.pseudo_weight}: give `negatives`, which hold the pseudo-positives")
        if self.cross_encoder:
            self._check_teacher()

    def _check_teacher(self) -> None:
        if not (self.negatives or self.judged_negatives or self.unclicked_negatives):
            raise ValueError(
                "cross_encoder: it teaches the margin to listed negatives; give `negatives`, `judged_negatives` or"
                " `unclicked_negatives`"
            )
        if self.heads > 1:
            raise ValueError(f"heads={self.heads}: expected one head with cross_encoder")

    def _check_sides(self) -> None:
        """Refuse sources that do not go together. A sweep checks its settings without a partition."""
        of_queries = self.pairs, self.queries, self.qrels, self.unclicked, self.negatives
        if not self.co_occurrences:
            if self.towers and (not self.pairs or not self.queries or self.towers.values["step"] == CO_CLICK):
                raise ValueError(f"{self.towers}: give pairs and queries, or for step={CO_CLICK} co_occurrences")
        elif any(of_queries) or self.shared == "off" or self.towers.values["step"] != CO_CLICK:
            raise ValueError(
                f"{self.towers}: co_occurrences have items on both sides, which share their weights; expected"
                f" step={CO_CLICK}, shared=on, and no pairs, queries, qrels, unclicked or negatives"
            )

    @property
    def continues(self) -> bool:
        """Whether training continues with the weights of `start`."""
        return bool(self.start) and self.restart == "off"


def main(args: Args) -> dict[str, object] | None:
    """Train, keep the best epoch, publish; only the first process returns a result."""
    with processes() as group:
        partitions = {name: getattr(args, name) for name in INPUTS}
        # pinned once, for all processes
        inputs = group.broadcast(
            {name: pin(source) for name, source in partitions.items() if source and not group.rank}
        )
        if group.rank:
            follow(_training(args, inputs, _dataset(args, inputs), group))
            return None
        return _lead(args, inputs, group)


def _lead(args: Args, inputs: Inputs, group: ProcessGroup) -> dict[str, object]:
    pinned = list(inputs.values())
    with mlflow_run("towers", args, pinned) as tracked, publish(args.towers, args, pinned) as out:
        out.mlflow_run_id = tracked.id
        dataset = _dataset(args, inputs)
        training = _training(args, inputs, dataset, group)
        config, tokenizer_json, _ = training.towers.state()
        key = resume_key(args, pinned, config, tokenizer_json, asdict(training.plan), group.size)
        checkpoint = Checkpoint(args.towers, key)
        examples = training.examples
        evaluator = DevEvaluator(dataset, examples.queries, examples.items, inputs.get("qrels"))
        evaluate = partial(evaluator, training.towers)
        loop = TrainingLoop("towers", training, evaluate, checkpoint, tracked, args.patience, args.checkpoint_s)
        loop.run(keep_start=args.continues and args.fallback == "on")
        measured = _measure(training, evaluator, dataset)
        tracked.measures(measured)
        write_trained(out, _truncated(training.towers, args.truncate_dim), dataset)
        pq.write_table(loop.curves(CURVES), out.folder / "curves.parquet", write_page_checksum=True)
        out.facts.update(loop.best, items=len(dataset.item_ids), queries=len(dataset.queries))
        out.facts.update(**measured, **evaluator.facts, plateau=loop.plateau, **dataset.learnt_from)
    checkpoint.remove()
    # the towers of a sweep's trial are no candidate for serving, and those of items are none for search
    registered = "" if trial() or args.co_occurrences else register_towers(pin(args.towers))
    return {
        "towers": str(args.towers),
        "space_id": out.facts["space_id"],
        "registered": registered,
        "plateau": loop.plateau,
        **evaluator.facts,
        **loop.best,
    }


def _dataset(args: Args, inputs: Inputs) -> TowerDataset:
    if args.co_occurrences:
        return read_item_pairs(inputs["co_occurrences"], inputs["items"], inputs.get("holdout_sessions"))
    dataset = _with_labels(args, inputs, read_dataset(inputs["pairs"], inputs["queries"], inputs["items"]))
    return with_pseudo_positives(dataset, inputs["negatives"]) if args.pseudo_weight else dataset


def _with_labels(args: Args, inputs: Inputs, dataset: TowerDataset) -> TowerDataset:
    if args.learn == CLICKS or (args.learn == AUTO and not args.qrels):
        return dataset
    labels = read_train_labels(inputs["qrels"], dataset, args.irrelevant_frac)
    if args.learn == AUTO and not labels.relevant.any():
        return dataset
    return with_labels(dataset, labels, LABELS if args.learn == LABELS else BOTH)


def _training(args: Args, inputs: Inputs, dataset: TowerDataset, group: ProcessGroup) -> TowerTraining:
    towers = _towers(args, inputs, dataset).to(device())
    if args.truncate_dim > towers.config.dim:
        raise ValueError(f"truncate_dim={args.truncate_dim}: expected at most the {towers.config.dim} of the vectors")
    mined = None
    if args.negatives:
        _check_space(args, load_towers(inputs["start"]) if args.restart == "on" else towers)
        mined = dataset.negatives(inputs["negatives"])
    examples = dataset.examples(towers, args.weight_power, mined, args.label_weight, args.pseudo_weight)
    examples = replace(examples, group=group, lists=_lists(args, inputs, dataset))
    plan = args.plan(first=not args.continues, mined=bool(args.negatives), pretrained=_is_pretrained(args, inputs))
    plan = replace(plan, chunk=plan.chunk or _chunk(plan, towers, examples))
    return TowerTraining(towers, examples, plan, _teacher(args, inputs, dataset))


def _teacher(args: Args, inputs: Inputs, dataset: TowerDataset) -> Teacher | None:
    if not args.cross_encoder:
        return None
    score = read_pair_scorer(inputs["cross_encoder"], dataset, device(), args.precision)
    return Teacher(score, len(dataset.queries), args.distillation_weight)


def _chunk(plan: TowerPlan, towers: TwoTower, examples: Examples) -> int:
    """Texts per pass through BERT for which a quarter of the memory does; 0: all of a step."""
    if not towers.config.has_bert:
        return 0
    sampling = plan.sampling
    per_query = 1 + sampling.uniform + sampling.hard + sampling.judged + sampling.unclicked
    queries = sampling.batch_size / examples.group.size
    sides = [
        StepTexts(queries, float(examples.queries.sizes.mean())),
        StepTexts(min(queries * per_query, len(examples.items)), float(examples.items.sizes.mean())),
    ]
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    chunk = chunk_within(towers.config, sides, MEMORY_FRAC * device_bytes(towers.device, machine))
    if chunk:
        log.info("BERT reads %d texts at a time, for the memory of this machine (gradcache_chunk_size)", chunk)
    return chunk


def _lists(args: Args, inputs: Inputs, dataset: TowerDataset) -> dict[str, Ragged]:
    """Lists of negatives beside the mined ones, of the kinds that are drawn from."""
    lists = {}
    if args.judged_negatives:
        labels = read_train_labels(inputs["qrels"], dataset, args.irrelevant_frac)
        lists["judged"] = labels.negatives(len(dataset.queries))
    if args.unclicked_negatives:
        lists["unclicked"] = dataset.unclicked(inputs["unclicked"])
    return lists


def _towers(args: Args, inputs: Inputs, dataset: TowerDataset) -> TwoTower:
    """The towers to begin with: given, or new."""
    if args.continues:
        return load_towers(inputs["start"])
    config = args.config(str(inputs["items"].facts.get("text_template", "title")))
    torch.manual_seed(args.seed)
    if args.prodbert:
        return pretrained_towers(inputs["prodbert"], config)
    if args.preset == "minilm":
        return pretrained_towers("minilm", config)
    return TwoTower(config, train_tokenizer(_tokenizer_texts(dataset), config.vocabulary))


def _is_pretrained(args: Args, inputs: Inputs) -> bool:
    """Whether the towers' BERT is pretrained: by these flags, or by those that made `start`."""
    made_with = inputs["start"].manifest.args if args.continues else {}
    preset, bert = (made_with.get(name, getattr(args, name)) for name in ("preset", "prodbert"))
    return preset == "minilm" or bool(bert)


def _check_space(args: Args, start: TwoTower) -> None:
    """Refuse negatives that other towers mined than those that training continues from."""
    if args.negatives.values["space"] != space_id(start):
        raise ValueError(
            f"{args.negatives}: mined in another space than that of {args.start}, {space_id(start)};"
            " run `python -m jobs negatives` with these towers"
        )


def _tokenizer_texts(dataset: TowerDataset) -> list[str]:
    """Texts that a tokenizer is trained on: a million items at most, and the queries of split train."""
    every = max(1, len(dataset.item_texts) // TOKENIZER_ITEMS)
    items = dataset.item_texts(np.arange(0, len(dataset.item_texts), every))
    return items + [dataset.queries[row] for row in np.flatnonzero(dataset.query_split == "train")]


def _truncated(towers: TwoTower, dim: int) -> TwoTower:
    """The towers, or those of shorter vectors, which Matryoshka training made usable alone."""
    if not dim:
        return towers
    config, tokenizer_json, tensors = towers.state()
    return TwoTower.from_state({**config, "cut": dim}, tokenizer_json, tensors)


def _measure(training: TowerTraining, evaluator: DevEvaluator, dataset: TowerDataset) -> dict[str, float]:
    """Milliseconds of a query on one core, bytes of a pair, dev R@60 and RR@60 of each prefix."""
    facts: dict[str, float] = {}
    if queries := [dataset.queries[row] for row in evaluator.queries[:LATENCY_QUERIES]]:
        facts |= query_latency(training.towers, queries)
    for dim in training.plan.matryoshka:
        recall, rr = evaluator.values(training.towers, dim)
        if len(recall):
            facts |= {f"R@60 of {dim}": float(recall.mean()), f"RR@60 of {dim}": float(rr.mean())}
    return facts | bytes_per_pair(dataset, training.examples)
