"""The recipe of a training of towers: its settings, and what they mean to the models."""

from __future__ import annotations

from dataclasses import dataclass, replace

from models.towers.config import BERT_LR_FRAC, ENCODERS, FUSIONS, PRESETS, TowerConfig
from models.towers.precision import PRECISIONS
from models.training.examples import Sampling
from models.training.losses import KINDS, Objective
from models.training.plan import Plan

SWITCHES = ("shared", "learn_temperature", "symmetric", "logq", "share_hard_negatives")


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """preset            size of new towers: tiny (CPU, trigrams alone), small (CPU, both encoders), minilm
                      (pretrained BERT), base (GPU)
    dim               D of new towers; 0: the preset's
    encoders          of new towers: both, bert, trigrams; empty: the preset's
    fusion            how new towers join their encoders: gate, attention, sum
    shared            on: queries and items go through the same weights; off: each side has its own
    query_layers      BERT layers of the query tower, the first so many; 0: as many as the item tower's
    matryoshka        prefixes of the vectors that are trained to stand alone, such as 192,96; empty: none
    truncate_dim  keep the first so many dimensions of what was trained; 0: all
    epochs            at most
    patience          epochs without a better dev R@60 before training stops
    batch_size        pairs per step over all processes, each query's negatives being the other pairs' items
    lr                learning rate of the hashed embedding; BERT's is a share of it
    bert_lr_frac      BERT's learning rate as a share of lr; 0: the preset's
    start_lr_frac     share of lr when going on from `start`
    loss              softmax, pairwise (as the STAR paper trains), triplet
    temperature       of softmax and pairwise over cosines
    learn_temperature  on: the temperature is learnt, from there
    margin            of triplet, in cosines
    symmetric         on: items look for their queries too, half of the loss each
    logq              on: popular items count less as in-batch negatives (logQ correction)
    hardest_k  of a query's in-batch and uniform negatives only so many, the nearest, count; 0: all
    uniform_negatives  negatives per query drawn from the whole catalogue
    hard_negatives    H, drawn per query and step from its mined list
    in_batch_weight   weight of an in-batch negative in the loss
    uniform_weight    weight of a negative drawn from the catalogue
    hard_weight       weight of a hard negative
    easy_per_hard     easy negatives weigh so many times what the hard ones do; 0: each its own weight
    hard_ramp_frac    share of the steps over which the hard ones' weight rises from 0
    share_hard_negatives  on: other queries' hard negatives are negatives too; off: only a query's own
    synthetic_queries  made-up queries (a few words of an item) per real pair; 0: none
    trigram_dropout   share of trigrams and words that a text loses in a step
    weight_power      a pair is drawn in proportion to its weight to this power; 0: each once an epoch
    gradcache_chunk_size  texts per pass through BERT (GradCache): memory no longer grows with batch_size; 0: all
    ema               decay of averaged weights that are judged and kept instead, such as 0.999; 0: none
    precision         of matrix products: auto (bf16 where it is fast), fp32, bf16
    max_steps         stop after so many steps; 0: no limit
    checkpoint_s      seconds between checkpoints
    seed              of weights, batches and made-up queries
    """

    preset: str = "tiny"
    dim: int = 0
    encoders: str = ""
    fusion: str = "gate"
    shared: str = "on"
    query_layers: int = 0
    matryoshka: str = ""
    truncate_dim: int = 0
    epochs: int = 4
    patience: int = 2
    batch_size: int = 2048
    lr: float = 5e-3
    bert_lr_frac: float = 0.0
    start_lr_frac: float = 0.3
    loss: str = "softmax"
    temperature: float = 0.05
    learn_temperature: str = "off"
    margin: float = 0.1
    symmetric: str = "off"
    logq: str = "off"
    hardest_k: int = 0
    uniform_negatives: float = 0.0
    hard_negatives: int = 4
    in_batch_weight: float = 1.0
    uniform_weight: float = 1.0
    hard_weight: float = 1.0
    easy_per_hard: float = 0.0
    hard_ramp_frac: float = 0.0
    share_hard_negatives: str = "on"
    synthetic_queries: float = 0.5
    trigram_dropout: float = 0.0
    weight_power: float = 0.0
    gradcache_chunk_size: int = 0
    ema: float = 0.0
    precision: str = "auto"
    max_steps: int = 0
    checkpoint_s: float = 120.0
    seed: int = 0

    def __post_init__(self) -> None:
        chosen = {
            "preset": tuple(PRESETS),
            "encoders": ("", *ENCODERS),
            "fusion": FUSIONS,
            "loss": KINDS,
            "precision": PRECISIONS,
        }
        for name, allowed in (chosen | dict.fromkeys(SWITCHES, ("on", "off"))).items():
            if (found := getattr(self, name)) not in allowed:
                known = ", ".join(filter(None, allowed))
                raise ValueError(f"{name}={found!r}: expected one of {known}")
        if min(self.hard_negatives, self.patience) < 1:
            raise ValueError("hard_negatives and patience must be > 0")
        if (
            min(
                self.synthetic_queries,
                self.weight_power,
                self.uniform_negatives,
                self.gradcache_chunk_size,
                self.bert_lr_frac,
            )
            < 0
        ):
            raise ValueError(
                "synthetic_queries, weight_power, uniform_negatives, gradcache_chunk_size and bert_lr_frac must be >= 0"
            )
        if not 0.0 <= self.trigram_dropout < 1.0:
            raise ValueError(f"trigram_dropout={self.trigram_dropout}: must be 0 or more, below 1")
        self.plan(first=True, mined=True)

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

    def plan(self, *, first: bool, mined: bool, pretrained: bool = False) -> Plan:
        """How to train. first: towers are new; mined: there are hard negatives; pretrained: so is BERT,
        and wants smaller steps than one of random weights, whatever the preset."""
        lr = self.lr * (1.0 if first else self.start_lr_frac)
        preset = BERT_LR_FRAC["minilm" if pretrained else self.preset]
        return Plan(
            sampling=Sampling(
                self.batch_size,
                self.seed,
                self.synthetic_queries,
                self.trigram_dropout,
                self.hard_negatives if mined else 0,
                self.uniform_negatives,
            ),
            objective=Objective(
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
            ),
            epochs=self.epochs,
            lr=lr * (self.bert_lr_frac or preset),
            trigram_lr=lr,
            matryoshka=self.prefixes(),
            max_steps=self.max_steps,
            chunk=self.gradcache_chunk_size,
            ema=self.ema,
            precision=self.precision,
        )
