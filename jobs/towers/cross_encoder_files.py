"""A cross-encoder on disk: its BERT as a folder, and head.safetensors. Nothing unpickles."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from transformers import BertModel

from jobs.lake.read import Pinned
from jobs.lake.storage import open_as_usual
from jobs.towers.bert_checkpoint import CONFIG, bert_folder, load_bert, write_bert
from jobs.towers.dataset import TowerDataset
from jobs.towers.text_store import item_tokens
from models.cross_encoder.model import CrossEncoder, PairScorer, PairTokens
from models.text.normalise import normalise_query
from models.text.tokens import pad_id, token_store

HEAD = "head.safetensors"


def new_cross_encoder(bert: BertModel, tokenizer: Tokenizer) -> CrossEncoder:
    """A cross-encoder with a new head over a BERT."""
    return CrossEncoder(bert, pad_id(tokenizer))


def write_cross_encoder(model: CrossEncoder, tokenizer: Tokenizer, folder: Path, max_tokens: int) -> None:
    """Write BERT's three files and the head; each text of a pair was cut at max_tokens."""
    write_bert(model.encoder.bert, tokenizer, folder, max_tokens)
    save_file({name: tensor.detach().cpu().contiguous() for name, tensor in model.head().items()}, folder / HEAD)
    open_as_usual(folder / HEAD)


def read_pair_scorer(
    pinned: Pinned, dataset: TowerDataset, device: torch.device, precision: str = "auto"
) -> PairScorer:
    """A trained cross-encoder as the scorer of a dataset's rows.

    Raises:
        ValueError: the files are not of one version.
    """
    bert, tokenizer = load_bert(bert_folder(pinned))
    model, head = new_cross_encoder(bert, tokenizer), load_file(pinned.path(HEAD))
    lacking, strange = model.load_state_dict(head, strict=False)
    if strange or any(not name.startswith("encoder.") for name in lacking):
        raise ValueError(
            f"{pinned.partition}: {HEAD} has {', '.join(sorted(head))}, expected {', '.join(model.head())}"
        )
    max_tokens = int(json.loads(pinned.path(CONFIG).read_text("utf-8"))["max_tokens"])
    return PairScorer(model.to(device), pair_tokens(dataset, tokenizer, max_tokens), precision)


def pair_tokens(dataset: TowerDataset, tokenizer: Tokenizer, max_tokens: int) -> PairTokens:
    """Tokens of the dataset's queries, normalised as in the log, and of its items."""
    queries = token_store(tokenizer, [normalise_query(text) for text in dataset.queries], max_tokens)
    return PairTokens(queries, item_tokens(dataset.items, tokenizer, max_tokens))
