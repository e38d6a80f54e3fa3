"""Labels or clicks -> a cross-encoder, the towers' teacher.

python -m jobs cross_encoder --pairs pairs/ds=2026-01-31 --queries queries/ds=2026-01-31 --items items/ds=2026-01-31 \\
    --qrels qrels/ds=2026-01-31 --cross_encoder cross_encoder/ds=2026-01-31

It reads query and item together, so it tells right from wrong better than the towers, and is too slow to search with.
`negatives --cross_encoder` leaves out mined items that it finds right; `towers --cross_encoder` learns from its scores.
Only queries of split train are trained on; those of split dev choose the epoch. A killed training continues from its
checkpoint.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
import pyarrow.parquet as pq
import torch
from annotated_types import Ge
from tokenizers import Tokenizer

from jobs.lake.partitions import NOWHERE, Partition
from jobs.lake.publish import publish
from jobs.lake.read import Pinned, pin
from jobs.platform.arguments import (
    FIRST,
    CommandArgs,
    Fraction,
    NonNegativeFloat,
    NonNegativeInt,
    OneOf,
    PositiveFloat,
    PositiveInt,
)
from jobs.platform.distributed import device
from jobs.platform.tracking import mlflow_run
from jobs.towers.bert_checkpoint import MINILM, bert_folder, bert_settings, load_bert
from jobs.towers.cross_encoder_files import new_cross_encoder, pair_tokens, write_cross_encoder
from jobs.towers.dataset import TowerDataset, read_dataset
from jobs.towers.resume import resume_key
from jobs.towers.train_labels import AUTO, BOTH, CLICKS, LABELS, SOURCES, TrainLabels, read_train_labels
from jobs.towers.training_loop import Checkpoint, EpochScore, TrainingLoop
from models.cross_encoder.model import CrossEncoder, PairScorer, share_in_order
from models.cross_encoder.training import CrossEncoderPlan, CrossEncoderTraining, PairExamples
from models.text.ragged import Ragged
from models.towers.precision import PRECISIONS
from models.towers.space_id import fingerprint
from models.training.batches import Known

CURVES = ("loss", "lr", "positive_frac", "dev_in_order")


class Args(CommandArgs):
    """pairs            clicked pairs; those of split train are positives, none of any split is drawn as a negative
    queries          their texts
    items            the catalogue
    cross_encoder    output
    qrels            people's judgements: those of train queries are learnt, those of dev queries choose the epoch
    negatives        mined negatives of which some are drawn; empty: they are drawn from the whole catalogue
    start            weights to start from: minilm (the packaged ones), prodbert/ds=... or a folder in Hugging Face's layout
    learn            examples: clicks; labels; both; auto: labels where there are any, else clicks
    irrelevant_frac  share of the least relevant item's gain up to which a label's target is 0; from there it rises to 1
    drawn            negatives drawn beside each positive
    max_tokens       tokens after which each text of a pair is truncated
    epochs           epochs at most
    patience         epochs without a better order of dev pairs before training stops
    batch_size       examples per step
    lr               learning rate
    max_steps        steps after which training stops; 0: no limit
    precision        of matrix products; auto: bf16 where the device is fast at it
    checkpoint_s     seconds between checkpoints
    seed             of the head, order, draws and dropout
    """

    pairs: Partition
    queries: Partition
    items: Partition
    cross_encoder: Partition
    qrels: Partition = NOWHERE
    negatives: Partition = NOWHERE
    start: Annotated[str, FIRST] = MINILM
    learn: Annotated[str, OneOf(*SOURCES)] = "auto"
    irrelevant_frac: Fraction = 0.55
    drawn: NonNegativeInt = 2
    max_tokens: Annotated[int, Ge(3)] = 48
    epochs: Annotated[PositiveInt, FIRST] = 2
    patience: PositiveInt = 1
    batch_size: Annotated[PositiveInt, FIRST] = 64
    lr: Annotated[PositiveFloat, FIRST] = 1e-4
    max_steps: NonNegativeInt = 0
    precision: Annotated[str, OneOf(*PRECISIONS)] = "auto"
    checkpoint_s: NonNegativeFloat = 120.0
    seed: Annotated[NonNegativeInt, FIRST] = 0

    def __post_init__(self) -> None:
        if self.learn in (LABELS, BOTH) and not self.qrels:
            raise ValueError(f"learn={self.learn}: give `qrels`, people's judgements")
        if self.start.startswith("prodbert/"):
            Partition.parse(self.start)

    @property
    def plan(self) -> CrossEncoderPlan:
        """Settings of the training."""
        return CrossEncoderPlan(
            *(self.epochs, self.batch_size, self.drawn, self.lr, self.seed, self.max_steps), precision=self.precision
        )


def main(args: Args) -> dict[str, object]:
    """Train, keep the best epoch, publish."""
    given = {name: getattr(args, name) for name in ("pairs", "queries", "items", "qrels", "negatives")}
    if args.start.startswith("prodbert/"):
        given["start"] = Partition.parse(args.start)
    inputs = {name: pin(partition) for name, partition in given.items() if partition}
    pinned = list(inputs.values())
    with mlflow_run("cross_encoder", args, pinned) as tracked, publish(args.cross_encoder, args, pinned) as out:
        out.mlflow_run_id = tracked.id
        dataset = read_dataset(inputs["pairs"], inputs["queries"], inputs["items"])
        model, tokenizer = _model(args, inputs)
        examples, dev = (_examples(args, inputs, dataset, split) for split in ("train", "dev"))
        tokens = pair_tokens(dataset, tokenizer, args.max_tokens)
        training = CrossEncoderTraining(model, tokens, examples, args.plan)
        begun = fingerprint(bert_settings(model.encoder.bert), tokenizer.to_str(), model.state_dict())
        checkpoint = Checkpoint(args.cross_encoder, resume_key(args, pinned, begun, asdict(args.plan)))
        score = partial(_evaluate, PairScorer(model, tokens, args.precision), dev, args.drawn)
        loop = TrainingLoop("cross_encoder", training, score, checkpoint, tracked, args.patience, args.checkpoint_s)
        loop.run()
        write_cross_encoder(model, tokenizer, out.folder, args.max_tokens)
        pq.write_table(loop.curves(CURVES), out.folder / "curves.parquet", write_page_checksum=True)
        facts = loop.best | {"examples": len(examples), "dev_examples": len(dev)}
        out.facts.update(facts)
    checkpoint.remove()
    return {"cross_encoder": str(args.cross_encoder), **facts}


def _model(args: Args, inputs: Mapping[str, Pinned]) -> tuple[CrossEncoder, Tokenizer]:
    named = MINILM if args.start == MINILM else Path(args.start)
    bert, tokenizer = load_bert(bert_folder(inputs.get("start", named)))
    if 2 * args.max_tokens - 1 > (most := int(bert.config.max_position_embeddings)):
        raise ValueError(f"max_tokens={args.max_tokens}: {args.start} reads {most} tokens of both texts at most")
    torch.manual_seed(args.seed)
    return new_cross_encoder(bert, tokenizer).to(device()), tokenizer


def _examples(args: Args, inputs: Mapping[str, Pinned], dataset: TowerDataset, split: str) -> PairExamples:
    """Examples of a split: labels, clicks that no label contradicts, or both."""
    labels = _labels(args, inputs, dataset, split)
    rows = dataset.of_split(split)
    query, item, target = dataset.pair_query[rows], dataset.pair_item[rows], np.ones(len(rows), np.float32)
    known = dataset.known
    if labels is not None:
        graded = ((labels.gain - args.irrelevant_frac) / (1 - args.irrelevant_frac + 1e-9)).clip(0, 1)
        judged = Known(labels.query, labels.item, len(dataset.queries))
        clicked = ~judged.contains(query, item) if args.learn == BOTH else np.zeros(len(rows), np.bool_)
        query, item = np.append(labels.query, query[clicked]), np.append(labels.item, item[clicked])
        target = np.append(graded.astype(np.float32), target[clicked])
        # what was judged is learnt as judged, and never drawn beside it
        pairs = np.append(dataset.pair_query, labels.query), np.append(dataset.pair_item, labels.item)
        known = Known(*pairs, len(dataset.queries))
    mined: Ragged | None = dataset.negatives(inputs["negatives"]) if "negatives" in inputs else None
    return PairExamples(query, item, target, known, len(dataset.item_ids), mined)


def _labels(args: Args, inputs: Mapping[str, Pinned], dataset: TowerDataset, split: str) -> TrainLabels | None:
    """Labels of a split's queries; None where clicks are learnt."""
    if args.learn == CLICKS or "qrels" not in inputs:
        return None
    labels = read_train_labels(inputs["qrels"], dataset, args.irrelevant_frac, split)
    return None if args.learn == AUTO and not labels.relevant.any() else labels


def _evaluate(scorer: PairScorer, dev: PairExamples, drawn: int) -> EpochScore:
    """Order of the dev examples, and of negatives drawn beside them, always the same."""
    if not len(dev):
        return EpochScore({}, np.zeros(0))
    query, item, target = dev.with_drawn(np.arange(len(dev)), drawn, np.random.default_rng(0))
    values = share_in_order(query, target, scorer(query, item))
    return EpochScore({"dev_in_order": float(values.mean())} if len(values) else {}, values)
