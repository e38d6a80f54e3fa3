"""Trigger form of a training: the settings of towers and of hard negatives, by section."""

from __future__ import annotations

from dags.day import DAY, date_param
from dags.forms import form
from jobs.lake.partitions import QRELS

MODEL = form("towers", "Model", "preset dim encoders fusion shared heads query_layers matryoshka seed")
BERT_DS = {"bert_ds": date_param("Model", "Day of the pre-trained BERT, prodbert/ds=. Empty: the preset's own")}
TRAINING = form(
    "towers",
    "Training",
    "epochs patience batch_size gradcache_chunk_size lr bert_lr_frac synthetic_queries"
    " trigram_dropout weight_power learn label_weight ema precision",
)
LOSS = form(
    "towers",
    "Loss",
    "loss temperature learn_temperature margin symmetric logq hardest_k uniform_negatives"
    " in_batch_weight uniform_weight",
)
MINING = form("negatives", "Hard negatives", "r_min r_max per_query near_duplicate search plateau")
HARD = form(
    "towers",
    "Hard negatives",
    "hard_negatives judged_negatives judged_weight share_hard_negatives hard_weight easy_per_hard hard_ramp_frac restart fallback start_lr_frac",
)
# a day, never "the latest": an encoder that changes of itself changes every space id
BERT = "{{ 'prodbert/ds=' ~ params.bert_ds if params.bert_ds else '' }}"
# people's labels of dev queries choose the epoch; where clicks judge, training must not see the judged days
DEV_LABELS = f"{{% if params.labels_ds %}}{QRELS.at(ds=DAY)}{{% endif %}}"
