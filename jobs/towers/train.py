"""Pairs -> the query and item towers of a two-tower model.

python -m jobs towers --pairs pairs/ds=2026-01-31 --queries queries/ds=2026-01-31 --items items/ds=2026-01-31 \\
    --towers towers/ds=2026-01-31/step=in_batch
python -m jobs towers ... --start towers/ds=2026-01-31/step=in_batch \\
    --negatives negatives/ds=2026-01-31/space=7f3a5c1e9b2d4a60 --towers towers/ds=2026-01-31/step=star
torchrun --nproc-per-node=8 -m jobs towers ...

Only pairs of split train teach, and of the queries' texts only theirs reach the tokenizer. After each epoch the
queries of split dev are searched; the best epoch is kept. Killed, it goes on from its checkpoint.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, replace

import numpy as np
import torch

from jobs.bundle.tower_files import load_towers
from jobs.lake.attempt import spelled
from jobs.lake.partitions import NOWHERE, Partition, trial
from jobs.lake.publish import publish
from jobs.lake.read import Pinned, pin
from jobs.platform.arguments import OnOff
from jobs.platform.distributed import device, processes
from jobs.platform.registry import register_towers
from jobs.platform.tracking import mlflow_run
from jobs.towers.checkpoints import Checkpoint
from jobs.towers.dataset import Learning, read_learning
from jobs.towers.dev_evaluation import Judge
from jobs.towers.finish import costs, shortened, write
from jobs.towers.pretrained import pretrained
from jobs.towers.settings import TowerSettings
from jobs.towers.trainer import Trainer, follow
from models.text.tokens import train_tokenizer
from models.towers.space_id import space_id
from models.towers.two_tower import TwoTower
from models.training.distributed import Team
from models.training.fit import Training

TOKENIZER_ITEMS = 1_000_000
Inputs = dict[str, Pinned]


class Args(TowerSettings, kw_only=True):
    """pairs      positives; those of split train are trained on; none of any split becomes a negative
    queries    their texts
    items      the catalogue that is searched
    towers     output; its key step: in_batch, or star (with start and negatives)
    start      towers to continue from; empty: new ones of the preset
    restart    on: new towers, of the preset, are trained with the negatives that `start` mined
    fallback   on: the towers of `start` are published unless an epoch is significantly better in dev R@60;
               off: the best epoch is published, even a worse one
    negatives  hard negatives mined with `start`; empty: in-batch negatives only
    prodbert   a BERT of the command `prodbert`; empty: the preset's own
    """

    pairs: Partition
    queries: Partition
    items: Partition
    towers: Partition
    start: Partition = NOWHERE
    restart: OnOff = "off"
    fallback: OnOff = "on"
    negatives: Partition = NOWHERE
    prodbert: Partition = NOWHERE

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.negatives and not self.start:
            raise ValueError("negatives: give `start` too, the towers they were mined with")

    @property
    def goes_on(self) -> bool:
        """Whether the weights of `start` are gone on from."""
        return bool(self.start) and self.restart == "off"


def main(args: Args) -> dict[str, object] | None:
    """Train, keep the best epoch, publish; the first process alone answers."""
    with processes() as team:
        given = {name: getattr(args, name) for name in ("pairs", "queries", "items", "start", "negatives", "prodbert")}
        # pinned once, for all processes
        inputs = team.told({name: pin(one) for name, one in given.items() if one and not team.rank})
        if team.rank:
            follow(_training(args, inputs, _learning(inputs), team))
            return None
        return _lead(args, inputs, team)


def _lead(args: Args, inputs: Inputs, team: Team) -> dict[str, object]:
    pinned = list(inputs.values())
    with mlflow_run("towers", args, pinned) as tracked, publish(args.towers, args, pinned) as out:
        out.mlflow_run_id = tracked.id
        learning = _learning(inputs)
        training = _training(args, inputs, learning, team)
        checkpoint = Checkpoint(args.towers, _key(args, inputs, training))
        judge = Judge(learning, training.examples)
        trainer = Trainer(training, judge, checkpoint, tracked, args.patience, args.checkpoint_s)
        best = trainer.run(measure_first=args.goes_on and args.fallback == "on")
        facts = costs(training, judge, learning)
        tracked.measures(facts)
        write(out, shortened(training.towers, args.truncate_dim), trainer, learning)
        out.facts.update(**facts, plateau=trainer.plateau)
    checkpoint.remove()
    # what a sweep tries is nobody's candidate
    registered = "" if trial() else register_towers(pin(args.towers))
    return {
        "towers": str(args.towers),
        "space_id": out.facts["space_id"],
        "registered": registered,
        "plateau": trainer.plateau,
        **best,
    }


def _learning(inputs: Inputs) -> Learning:
    return read_learning(inputs["pairs"], inputs["queries"], inputs["items"])


def _training(args: Args, inputs: Inputs, learning: Learning, team: Team) -> Training:
    towers = _towers(args, inputs, learning).to(device())
    mined = None
    if args.negatives:
        _check_space(args, load_towers(inputs["start"]) if args.restart == "on" else towers)
        mined = learning.negatives(inputs["negatives"])
    examples = replace(learning.examples(towers, args.weight_power, mined), team=team)
    plan = args.plan(first=not args.goes_on, mined=bool(args.negatives), pretrained=_is_pretrained(args, inputs))
    return Training(towers, examples, plan)


def _towers(args: Args, inputs: Inputs, learning: Learning) -> TwoTower:
    """The towers to begin with: given, or new."""
    if args.goes_on:
        return load_towers(inputs["start"])
    config = args.config(str(inputs["items"].facts.get("text_template", "title")))
    torch.manual_seed(args.seed)
    if args.prodbert:
        return pretrained(inputs["prodbert"], config)
    if args.preset == "minilm":
        return pretrained("minilm", config)
    return TwoTower(config, train_tokenizer(_to_read(learning), config.vocabulary))


def _is_pretrained(args: Args, inputs: Inputs) -> bool:
    """Whether the towers' BERT comes from somewhere: by these flags, or by those that made `start`."""
    made_with = inputs["start"].manifest.args if args.goes_on else {}
    preset, bert = (made_with.get(name, getattr(args, name)) for name in ("preset", "prodbert"))
    return preset == "minilm" or bool(bert)


def _check_space(args: Args, start: TwoTower) -> None:
    """Negatives are the nearest of the very towers that training starts from."""
    if args.negatives.values["space"] != space_id(start):
        raise ValueError(
            f"{args.negatives}: mined in another space than that of {args.start}, {space_id(start)};"
            " run jobs.towers.mine with these towers"
        )


def _key(args: Args, inputs: Inputs, training: Training) -> str:
    """What is trained how from what: a checkpoint of anything else is not gone on from."""
    contents = [source.manifest.content_sha256 for source in inputs.values()]
    config, tokenizer_json, _ = training.towers.state()
    said = [spelled(args), contents, config, tokenizer_json, asdict(training.plan), training.team.size]
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def _to_read(learning: Learning) -> list[str]:
    """Texts that a tokenizer learns from: items, a million at most, and the queries of split train."""
    every = max(1, len(learning.item_texts) // TOKENIZER_ITEMS)
    items = learning.item_texts(np.arange(0, len(learning.item_texts), every))
    ours = np.flatnonzero(learning.query_split == "train")
    return items + [learning.queries[row] for row in ours]
