"""The recipe of a training of towers: its settings, and what they mean to the models."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from annotated_types import Ge, Interval

from jobs.platform.arguments import (
    FIRST,
    CommandArgs,
    Fraction,
    NonNegativeFloat,
    NonNegativeInt,
    OneOf,
    OnOff,
    PositiveFloat,
    PositiveInt,
    Temperature,
)
from jobs.towers.train_labels import SOURCES
from models.towers.config import BERT_LR_FRAC, ENCODERS, FUSIONS, PRESETS, TowerConfig
from models.towers.precision import PRECISIONS
from models.training.examples import Sampling
from models.training.losses import HEAD_POOLINGS, KINDS, Objective
from models.training.tower_training import TowerPlan


class TowerSettings(CommandArgs, kw_only=True):
    """preset                size of new towers: tiny (CPU, trigrams alone), small (CPU, both encoders), minilm
                          (pre-trained BERT), base (GPU)
    dim                   dimensions of new towers' vectors; 0: the preset's
    encoders              encoders of new towers; empty: the preset's
    fusion                how new towers join the vectors of their two encoders
    shared                on: queries and items share their weights; off: each side has its own
    heads                 vectors of a query, for queries of several senses; each is searched (new towers)
    head_pooling          score of several heads in training: the best (max), or their mean by a softmax over them
    query_layers          the first BERT layers that make the query tower; 0: as many as the item tower has
    matryoshka            lengths of vector prefixes that are trained to be usable alone, such as 192,96; empty: none
    truncate_dim          first dimensions of the trained vectors to keep; 0: all
    epochs                epochs at most
    patience              epochs without a better dev R@60 before training stops
    batch_size            pairs per step over all processes; the items of other pairs are a query's negatives
    lr                    learning rate of the hashed embedding; BERT's is a share of it
    bert_lr_frac          BERT's learning rate as a share of lr; 0: the preset's
    start_lr_frac         share of lr when training continues from `start`
    loss                  pairwise is the loss of the STAR paper
    temperature           of softmax and pairwise over cosines
    learn_temperature     on: the temperature is learnt, starting from `temperature`
    margin                of triplet, in cosines
    symmetric             on: items search for their queries too, half of the loss each
    logq                  on: popular items count less as in-batch negatives (logQ correction)
    hardest_k             only the nearest of a query's in-batch and uniform negatives count; 0: all
    uniform_negatives     negatives per query drawn uniformly from the whole catalogue
    hard_negatives        hard negatives drawn per query and step from its mined list
    in_batch_weight       weight of an in-batch negative in the loss
    uniform_weight        weight of a uniform negative
    hard_weight           weight of a hard negative
    easy_per_hard         total weight of the easy negatives as a multiple of the hard ones'; 0: each its own weight
    hard_ramp_frac        share of the steps over which the hard negatives' weight rises from 0
    share_hard_negatives  on: a query's listed negatives are negatives of the whole batch; off: only its own
    learn                 pairs to train on: clicks; labels of split train in `qrels`; both; auto: both where there are
                          such labels, else clicks
    label_weight          how often a label pair is drawn, as a multiple of a click pair
    irrelevant_frac       share of the least relevant item's gain up to which a labelled item is irrelevant
    judged_negatives      items labelled irrelevant, drawn per query and step; where none is labelled, none
    judged_weight         weight of one of these
    pseudo_weight         how often a pseudo-positive in `negatives` is drawn, as a multiple of a click pair; 0: never
    distillation_weight   weight of the margin MSE to the scores of `cross_encoder` beside the loss
    unclicked_negatives   items viewed but not clicked (`unclicked`), drawn per query and step
    unclicked_weight      weight of one of these
    synthetic_queries     made-up queries (a few words of an item) per real pair; 0: none
    trigram_dropout       share of trigrams and words that a text loses in a step
    weight_power          a pair is drawn in proportion to its weight to this power; 0: each once an epoch
    gradcache_chunk_size  texts per pass through BERT (GradCache), so memory does not grow with batch_size; 0: all, or as
                          many as a quarter of the memory holds
    ema                   decay of averaged weights that are evaluated and kept instead, such as 0.999; 0: none
    precision             of matrix products; auto: bf16 where the device is fast at it
    max_steps             steps after which training stops; 0: no limit
    checkpoint_s          seconds between checkpoints
    seed                  of weights, batches and made-up queries
    """

    preset: Annotated[str, OneOf(*PRESETS), FIRST] = "tiny"
    dim: NonNegativeInt = 0
    encoders: Annotated[str, OneOf("", *ENCODERS)] = ""
    fusion: Annotated[str, OneOf(*FUSIONS)] = "gate"
    shared: OnOff = "on"
    heads: PositiveInt = 1
    head_pooling: Annotated[str, OneOf(*HEAD_POOLINGS)] = "softmax"
    query_layers: NonNegativeInt = 0
    matryoshka: str = ""
    truncate_dim: NonNegativeInt = 0
    epochs: Annotated[PositiveInt, FIRST] = 4
    patience: PositiveInt = 2
    batch_size: Annotated[int, Ge(2), FIRST] = 2048
    lr: Annotated[PositiveFloat, FIRST] = 5e-3
    bert_lr_frac: NonNegativeFloat = 0.0
    start_lr_frac: PositiveFloat = 0.3
    loss: Annotated[str, OneOf(*KINDS)] = "softmax"
    temperature: Annotated[Temperature, FIRST] = 0.05
    learn_temperature: OnOff = "off"
    margin: Annotated[float, Interval(gt=0, le=2)] = 0.1
    symmetric: OnOff = "off"
    logq: OnOff = "off"
    hardest_k: NonNegativeInt = 0
    uniform_negatives: NonNegativeFloat = 0.0
    hard_negatives: PositiveInt = 4
    in_batch_weight: NonNegativeFloat = 1.0
    uniform_weight: NonNegativeFloat = 1.0
    hard_weight: NonNegativeFloat = 1.0
    easy_per_hard: NonNegativeFloat = 0.0
    hard_ramp_frac: Fraction = 0.0
    share_hard_negatives: OnOff = "on"
    learn: Annotated[str, OneOf(*SOURCES)] = "clicks"
    label_weight: PositiveFloat = 1.0
    irrelevant_frac: Fraction = 0.55
    judged_negatives: NonNegativeInt = 0
    judged_weight: NonNegativeFloat = 1.0
    pseudo_weight: NonNegativeFloat = 0.0
    distillation_weight: PositiveFloat = 0.05
    unclicked_negatives: NonNegativeInt = 0
    unclicked_weight: NonNegativeFloat = 1.0
    synthetic_queries: NonNegativeFloat = 0.5
    trigram_dropout: Annotated[float, Interval(ge=0, lt=1)] = 0.0
    weight_power: NonNegativeFloat = 0.0
    gradcache_chunk_size: NonNegativeInt = 0
    ema: Annotated[float, Interval(ge=0, lt=1)] = 0.0
    precision: Annotated[str, OneOf(*PRECISIONS)] = "auto"
    max_steps: NonNegativeInt = 0
    checkpoint_s: NonNegativeFloat = 120.0
    seed: Annotated[NonNegativeInt, FIRST] = 0

    def __post_init__(self) -> None:
        self.plan(first=True, mined=True)
        if self.heads > 1 and (self.matryoshka or self.truncate_dim or self.symmetric == "on"):
            raise ValueError(
                f"heads={self.heads}: expected no matryoshka, truncate_dim or symmetric with several heads"
            )

    def config(self, text_template: str) -> TowerConfig:
        """Settings of new towers."""
        preset = PRESETS[self.preset]
        return replace(
            preset,
            dim=self.dim or preset.dim,
            encoders=self.encoders or preset.encoders,
            fusion=self.fusion,
            shared=self.shared == "on",
            query_layers=self.query_layers,
            heads=self.heads,
            text_template=text_template,
        )

    def prefixes(self) -> tuple[int, ...]:
        """Dimensions of the prefixes that are trained too, the longest first.

        Raises:
            ValueError: not whole numbers, or not shorter than the vectors.
        """
        dim = self.dim or PRESETS[self.preset].dim
        parts = [part.strip() for part in self.matryoshka.split(",") if part.strip()]
        found = sorted((int(part) for part in parts if part.isdecimal()), reverse=True)
        if len(found) != len(parts) or not all(0 < one < dim for one in found):
            raise ValueError(f"matryoshka={self.matryoshka!r}: expected numbers below dim={dim}, as 192,96")
        return tuple(found)

    def plan(self, *, first: bool, mined: bool, pretrained: bool = False) -> TowerPlan:
        """Settings of the training. first: towers are new; mined: there are hard negatives; pretrained: BERT starts from
        pre-trained weights, which need a smaller learning rate than random ones."""
        lr = self.lr * (1.0 if first else self.start_lr_frac)
        preset = BERT_LR_FRAC["minilm" if pretrained else self.preset]
        return TowerPlan(
            sampling=self._sampling(mined),
            objective=self._objective(),
            epochs=self.epochs,
            lr=lr * (self.bert_lr_frac or preset),
            trigram_lr=lr,
            matryoshka=self.prefixes(),
            max_steps=self.max_steps,
            chunk=self.gradcache_chunk_size,
            ema=self.ema,
            precision=self.precision,
        )

    def _sampling(self, mined: bool) -> Sampling:
        return Sampling(
            self.batch_size,
            self.seed,
            self.synthetic_queries,
            self.trigram_dropout,
            self.hard_negatives if mined else 0,
            self.uniform_negatives,
            self.judged_negatives,
            self.unclicked_negatives,
        )

    def _objective(self) -> Objective:
        return Objective(
            self.loss,
            self.temperature,
            self.learn_temperature == "on",
            self.margin,
            self.symmetric == "on",
            self.logq == "on",
            self.hardest_k,
            self.share_hard_negatives == "on",
            self.in_batch_weight,
            self.uniform_weight,
            self.hard_weight,
            self.easy_per_hard,
            self.hard_ramp_frac,
            self.judged_weight,
            self.unclicked_weight,
            self.head_pooling,
        )
