"""Settings of a ranker, of both kinds."""

from __future__ import annotations

from typing import Annotated

from annotated_types import Ge, Interval

from jobs.platform.arguments import (
    FIRST,
    CommandArgs,
    Fraction,
    NonNegativeInt,
    OneOf,
    OnOff,
    PositiveFloat,
    PositiveInt,
)
from models.reranking.losses import LOSSES
from models.reranking.neural import READS


class RankerSettings(CommandArgs):
    """most_lists     lists of split train at most; 0: all
    seed           of all that is drawn
    threads        of LightGBM and torch
    rounds         trees at most
    leaves         of a tree
    tree_lr        learning rate of the trees
    min_rows       rows of a leaf, at least
    patience       trees, or epochs, without a better dev nDCG@10 before training ends; epochs are counted by tens
    unbiased       on: trees learn what a place adds to the label beside what the item does
    loss           of the neural ranker
    temperature    of the loss neural_ndcg
    reads          inputs of the neural ranker: numbers, towers' vectors, or both
    hidden         width of the neural ranker
    blocks         of self-attention over the list; 0: an MLP alone
    dropout        of the neural ranker
    epochs         of the neural ranker at most
    batch_lists    lists of a step
    lr             learning rate of the neural ranker
    max_steps      steps of the neural ranker at most; 0: no limit
    checkpoint_s   seconds between checkpoints
    """

    most_lists: NonNegativeInt = 0
    seed: NonNegativeInt = 0
    threads: PositiveInt = 1
    rounds: Annotated[PositiveInt, FIRST] = 400
    leaves: Annotated[int, Ge(2), FIRST] = 31
    tree_lr: Annotated[PositiveFloat, FIRST] = 0.05
    min_rows: PositiveInt = 50
    patience: PositiveInt = 40
    unbiased: Annotated[OnOff, FIRST] = "off"
    loss: Annotated[str, OneOf(*LOSSES), FIRST] = "ndcg2pp"
    temperature: PositiveFloat = 1.0
    reads: Annotated[str, OneOf(*READS)] = "both"
    hidden: PositiveInt = 64
    blocks: Annotated[int, Interval(ge=0, le=4)] = 1
    dropout: Fraction = 0.1
    epochs: Annotated[PositiveInt, FIRST] = 10
    batch_lists: PositiveInt = 16
    lr: PositiveFloat = 1e-3
    max_steps: NonNegativeInt = 0
    checkpoint_s: Annotated[float, Ge(0)] = 120.0
