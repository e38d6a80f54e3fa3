"""The trigger form of a training: every setting of the towers and of their hard negatives, by section."""

from __future__ import annotations

from dags.day import date_param
from dags.forms import form

ON_OFF = {"enum": ["on", "off"]}
MODEL = form(
    "towers",
    "Model",
    preset={"enum": ["tiny", "small", "minilm", "base"]},
    dim={"minimum": 0},
    encoders={"enum": ["", "both", "bert", "trigrams"]},
    fusion={"enum": ["gate", "attention", "sum"]},
    shared=ON_OFF,
    query_layers={"minimum": 0},
    matryoshka={},
    seed={"minimum": 0},
)
BERT_DS = {"bert_ds": date_param("Model", "Day of the pre-trained BERT, prodbert/ds=. Empty: the preset's own")}
TRAINING = form(
    "towers",
    "Training",
    epochs={"minimum": 1},
    patience={"minimum": 1},
    batch_size={"minimum": 2},
    gradcache_chunk_size={"minimum": 0},
    lr={"exclusiveMinimum": 0},
    bert_lr_frac={"minimum": 0},
    synthetic_queries={"minimum": 0},
    trigram_dropout={"minimum": 0},
    weight_power={"minimum": 0},
    ema={"minimum": 0},
    precision={"enum": ["auto", "fp32", "bf16"]},
)
LOSS = form(
    "towers",
    "Loss",
    loss={"enum": ["softmax", "pairwise", "triplet"]},
    temperature={"exclusiveMinimum": 0},
    learn_temperature=ON_OFF,
    margin={"exclusiveMinimum": 0},
    symmetric=ON_OFF,
    logq=ON_OFF,
    hardest_k={"minimum": 0},
    uniform_negatives={"minimum": 0},
    in_batch_weight={"minimum": 0},
    uniform_weight={"minimum": 0},
)
MINING = form(
    "negatives",
    "Hard negatives",
    r_min={"minimum": 0},
    r_max={"minimum": 1},
    per_query={"minimum": 1},
    near_duplicate={"minimum": 0, "maximum": 1},
    search={"enum": ["exact", "ivf"]},
    plateau={"enum": ["stop", "warn", "off"]},
)
HARD = form(
    "towers",
    "Hard negatives",
    hard_negatives={"minimum": 1},
    share_hard_negatives=ON_OFF,
    hard_weight={"minimum": 0},
    easy_per_hard={"minimum": 0},
    hard_ramp_frac={"minimum": 0, "maximum": 1},
    restart=ON_OFF,
    fallback=ON_OFF,
    start_lr_frac={"exclusiveMinimum": 0},
)
# a day, never "the latest": an encoder that changes of itself changes every space id
BERT = "{{ 'prodbert/ds=' ~ params.bert_ds if params.bert_ds else '' }}"
