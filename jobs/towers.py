"""Pairs -> towers: in-batch negatives (step 1), or mined hard negatives on top of towers that stand (step 3).

python -m jobs.towers --pairs pairs/ds=2026-01-31 --queries queries/ds=2026-01-31 --items items/ds=2026-01-31 \\
    --towers towers/ds=2026-01-31/step=in_batch
python -m jobs.towers ... --start towers/ds=2026-01-31/step=in_batch \\
    --negatives negatives/ds=2026-01-31/towers=7f3a5c1e9b2d4a60 --towers towers/ds=2026-01-31/step=star

Only pairs of split train teach, and of the queries' texts only theirs reach the tokenizer. After each epoch the
queries of split dev are searched; the best epoch is kept. Killed, it goes on from its checkpoint.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np
import pyarrow.parquet as pq
import torch

from jobs.attempt import Attempt
from jobs.training.checkpoints import Checkpoint
from jobs.cli import run
from jobs.lake import NOWHERE, Partition
from jobs.training.learning import Learning, read_learning
from jobs.training.pretrained import pretrained_minilm
from jobs.publish import publish
from jobs.reading import Pinned, pin
from jobs.registry import register_towers
from jobs.seal import spelled
from jobs.tracking import mlflow_run
from jobs.training.trainer import Trainer
from jobs.weights import load_towers, write_towers
from models.config import BERT_LR_FRAC, PRESETS
from models.crops import crops
from models.examples import Sampling
from models.fit import Plan, Training
from models.ragged import Ragged
from models.tokens import train_tokenizer
from models.towers import TwoTower, space_id

log = logging.getLogger(__name__)
GOLDEN = 16  # texts of each side


@dataclass(frozen=True)
class Args:
    """pairs           positives; those of split train teach, all are kept from being negatives
    queries         their texts
    items           the catalogue that is searched
    towers          output; step says which: in_batch, or star (with start and negatives)
    start           towers to go on from; empty: new ones of the preset
    negatives       mined with `start`; empty: in-batch negatives only
    preset          size of new towers: tiny (CPU, trigrams alone), small (CPU, both encoders), minilm
                    (pretrained BERT), base (GPU)
    dim             D of new towers; 0: the preset's
    epochs          at most
    patience        epochs without a better dev R@60 before training stops
    batch_size      pairs per step, each query's negatives being the other pairs' items
    lr              learning rate of the hashed embedding; BERT's is a share of it that the preset sets
    start_lr_frac   share of lr when going on from `start`
    temperature     of the softmax over cosines
    crops           made-up queries (a few words of an item) per real pair; 0: none
    weight_power    a pair is drawn in proportion to its weight to this power; 0: each once an epoch
    hard_negatives  H, drawn per query and step from its mined list
    reuse           on: other queries' hard negatives are negatives too; off: only a query's own
    chunk           texts per forward pass (GradCache): memory no longer grows with batch_size; 0: all at once
    max_steps       stop after so many steps; 0: no limit
    checkpoint_s    seconds between checkpoints
    seed            of weights, batches and made-up queries
    """

    pairs: Partition
    queries: Partition
    items: Partition
    towers: Partition
    start: Partition = NOWHERE
    negatives: Partition = NOWHERE
    preset: str = "tiny"
    dim: int = 0
    epochs: int = 4
    patience: int = 2
    batch_size: int = 2048
    lr: float = 5e-3
    start_lr_frac: float = 0.3
    temperature: float = 0.05
    crops: float = 0.5
    weight_power: float = 0.0
    hard_negatives: int = 4
    reuse: str = "on"
    chunk: int = 0
    max_steps: int = 0
    checkpoint_s: float = 120.0
    seed: int = 0

    def __post_init__(self) -> None:
        if self.preset not in PRESETS:
            raise ValueError(f"preset={self.preset!r}: expected one of {', '.join(PRESETS)}")
        if self.reuse not in ("on", "off"):
            raise ValueError(f"reuse={self.reuse!r}: expected on or off")
        if self.negatives and not self.start:
            raise ValueError("negatives: give `start` too, the towers they were mined with")
        if min(self.hard_negatives, self.patience) < 1 or min(self.crops, self.weight_power) < 0:
            raise ValueError("hard_negatives and patience must be > 0, crops and weight_power >= 0")


def main(args: Args) -> dict[str, object]:
    """Train, keep the best epoch, publish."""
    asked = [args.pairs, args.queries, args.items, args.start, args.negatives]
    inputs = [pin(one) for one in asked if one]
    with mlflow_run("towers", args, inputs) as tracked, publish(args.towers, args, inputs) as out:
        out.mlflow_run_id = tracked.id
        learning = read_learning(inputs[0], inputs[1], inputs[2])
        towers = _towers(args, inputs, learning).to("cuda" if torch.cuda.is_available() else "cpu")
        mined = _negatives(args, inputs, learning, towers) if args.negatives else None
        examples = learning.examples(towers, args.weight_power, mined)
        training = Training(towers, examples, _plan(args))
        checkpoint = Checkpoint(args.towers, _key(args, inputs, training))
        trainer = Trainer(training, learning, checkpoint, tracked, args.patience, args.checkpoint_s)
        best = trainer.run(measure_first=bool(args.start))
        _write(out, towers, trainer, learning)
    checkpoint.remove()
    registered = register_towers(pin(args.towers))
    return {
        "towers": str(args.towers),
        "space_id": out.facts["space_id"],
        "registered": registered,
        **best,
    }


def _towers(args: Args, inputs: Sequence[Pinned], learning: Learning) -> TwoTower:
    """The towers to start from: given, or new."""
    if args.start:
        return load_towers(inputs[3])
    config = PRESETS[args.preset]
    template = str(inputs[2].facts.get("text_template", config.text_template))
    config = replace(config, dim=args.dim or config.dim, text_template=template)
    torch.manual_seed(args.seed)
    if args.preset == "minilm":
        return pretrained_minilm(config)
    ours = np.flatnonzero(learning.query_split == "train")
    texts = learning.item_texts + [learning.queries[row] for row in ours]
    return TwoTower(config, train_tokenizer(texts, config.vocabulary))


def _negatives(
    args: Args, inputs: Sequence[Pinned], learning: Learning, towers: TwoTower
) -> Ragged:
    """Item rows of each query row, as mined with the very towers that training starts from."""
    if args.negatives.values["towers"] != space_id(towers):
        raise ValueError(
            f"{args.negatives}: mined in another space than that of {args.start}, {space_id(towers)};"
            " run jobs.negatives with these towers"
        )
    return learning.negatives(inputs[4])


def _plan(args: Args) -> Plan:
    lr = args.lr * (args.start_lr_frac if args.start else 1.0)
    hard = args.hard_negatives if args.negatives else 0
    return Plan(
        sampling=Sampling(args.batch_size, args.seed, args.crops, hard=hard),
        epochs=args.epochs,
        lr=lr * BERT_LR_FRAC[args.preset],
        trigram_lr=lr,
        temperature=args.temperature,
        max_steps=args.max_steps,
        reuse=args.reuse == "on",
        chunk=args.chunk,
    )


def _key(args: Args, inputs: Sequence[Pinned], training: Training) -> str:
    """What is trained how from what: a checkpoint of anything else is not gone on from."""
    contents = [source.manifest.content_sha256 for source in inputs]
    config, tokenizer_json, _ = training.towers.state()
    said = [spelled(args), contents, config, tokenizer_json, asdict(training.plan)]
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def _write(out: Attempt, towers: TwoTower, trainer: Trainer, learning: Learning) -> None:
    texts = learning.item_texts[:GOLDEN]
    write_towers(towers, out.folder, crops(texts, np.random.default_rng(0)), texts)
    pq.write_table(trainer.curves(), out.folder / "curves.parquet", write_page_checksum=True)
    taught = len(trainer.training.examples.pairs)
    others = len(learning.pair_query) - taught
    left_out = {"dev and test": others, "query or item unknown": learning.lost}
    out.count("pairs", taught + others + learning.lost, taught, left_out)
    out.facts.update(space_id=space_id(towers), dim=towers.config.dim, **trainer.best)
    out.facts.update(items=len(learning.item_texts), queries=len(learning.queries), pairs=taught)


if __name__ == "__main__":
    run(Args, main)
