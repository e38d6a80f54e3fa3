"""Towers around an encoder that somebody has trained: a package, a folder, a `bert` partition. No network, no pickles."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from jobs.lake.read import Pinned
from jobs.towers.bert_checkpoint import CONFIG, bert_folder, bert_settings, load_bert, minilm_folder
from models.towers.config import TowerConfig
from models.towers.two_tower import TwoTower

MINILM = "minilm"


def pretrained(source: Pinned | Path | str, config: TowerConfig) -> TwoTower:
    """Towers around a pretrained BERT with its own tokenizer; config's `bert` is replaced by its settings.

    source: a `bert` partition, a folder in Hugging Face's layout (config.json, tokenizer.json,
    model.safetensors), or "minilm" for the installed all-MiniLM-L6-v2. Texts are cut where it never
    saw longer ones.

    Raises:
        LookupError: a file or the package is missing, or the weights are pickled only.
        ValueError: it is no BERT, or its files do not belong together.
    """
    folder = _folder(source)
    bert, tokenizer = load_bert(folder)
    settings = bert_settings(bert)
    if (rows := int(bert.config.vocab_size)) != tokenizer.get_vocab_size():
        settings["vocab_size"] = rows  # some round it up, for speed
    said = json.loads((folder / CONFIG).read_text("utf-8"))
    longest = int(said.get("max_tokens", bert.config.max_position_embeddings))
    config = replace(config, bert=settings, max_tokens=min(config.max_tokens, longest))
    return TwoTower(config, tokenizer, bert)


def _folder(source: Pinned | Path | str) -> Path:
    if isinstance(source, Pinned):
        return bert_folder(source)
    if isinstance(source, Path):
        return source
    if source != MINILM:
        raise LookupError(f"pretrained encoder {source!r}: expected {MINILM}, a folder or a bert partition")
    return minilm_folder()
