"""Towers around encoders that others trained: the package, a folder, a partition; offline."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from torch.nn import functional
from transformers import BertModel

from jobs.lake.partitions import PRODBERT as BERT_TABLE
from jobs.lake.publish import publish
from jobs.lake.read import pin
from jobs.towers.bert_checkpoint import minilm_folder, pretrained_towers, write_bert
from models.text.tokens import train_tokenizer
from models.towers.config import PRESETS
from models.towers.encode import encode_items
from models.towers.space_id import space_id
from models.towers.tower import new_bert
from models.towers.two_tower import TwoTower
from tests.jobs.towers.classroom import DS, Args
from tests.models.shop import BERT, ITEMS

SMALL = replace(PRESETS["small"], dim=16, trigram_buckets=1 << 8)


def fill(folder: Path, max_tokens: int = 12) -> BertModel:
    tokenizer = train_tokenizer(ITEMS, 150)
    torch.manual_seed(3)
    bert = new_bert(BERT, tokenizer.get_vocab_size(), 0)
    write_bert(bert, tokenizer, folder, max_tokens)
    return bert.eval()


def by_hand(bert: BertModel, tokenizer: Tokenizer, text: str, length: int) -> np.ndarray:
    """Mean over one text's token states, unit norm: no padding, no buckets."""
    tokenizer.enable_truncation(length)
    ids = torch.tensor([tokenizer.encode(text).ids])
    with torch.inference_mode():
        mean = bert(input_ids=ids).last_hidden_state[0].mean(dim=0)
    vector: np.ndarray = functional.normalize(mean, dim=0).numpy()
    return vector


def test_a_folder_and_a_partition_are_the_same_towers(lake: Path, tmp_path: Path) -> None:
    bert = fill(tmp_path)
    target = BERT_TABLE.at(ds=DS)
    with publish(target, Args(target)) as out:
        fill(out.folder)
    torch.manual_seed(0)
    first = pretrained_towers(tmp_path, SMALL)
    torch.manual_seed(0)
    second = pretrained_towers(pin(target), SMALL)
    assert space_id(first) == space_id(second)
    assert first.config.max_tokens == 12  # longer ones it has not seen
    assert first.config.bert["hidden_size"] == 16
    assert "vocab_size" not in first.config.bert
    alone = pretrained_towers(tmp_path, replace(SMALL, encoders="bert")).eval()
    expected = [by_hand(bert, alone.tokenizer, text, 12) for text in ITEMS]
    assert np.allclose(encode_items(alone, ITEMS, precision="fp32"), expected, atol=1e-5)


def test_a_table_of_more_rows_than_pieces_survives_the_state(tmp_path: Path) -> None:
    """Some checkpoints round the vocabulary up."""
    fill(tmp_path)
    weights = load_file(tmp_path / "weights.safetensors")
    name = "embeddings.word_embeddings.weight"
    weights[name] = torch.cat([weights[name], torch.zeros(5, 16)])
    save_file(weights, tmp_path / "weights.safetensors")
    settings = json.loads((tmp_path / "config.json").read_text())
    settings["vocab_size"] += 5
    (tmp_path / "config.json").write_text(json.dumps(settings))
    found = pretrained_towers(tmp_path, SMALL).eval()
    assert found.config.bert["vocab_size"] == settings["vocab_size"]
    again = TwoTower.from_state(*found.state())
    assert torch.equal(again.encode_items(ITEMS), found.encode_items(ITEMS))


def test_an_architecture_of_other_towers_is_refused(tmp_path: Path) -> None:
    fill(tmp_path)
    settings = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**settings, "model_type": "roberta"}))
    with pytest.raises(ValueError, match="model_type 'roberta', expected 'bert'"):
        pretrained_towers(tmp_path, SMALL)
    with pytest.raises(LookupError, match="pretrained encoder 'herbert': expected minilm"):
        pretrained_towers("herbert", SMALL)


def test_minilm_is_what_its_own_library_reads() -> None:
    titles = ["12-gauge angle bracket", "wood deck stain, 1 gal.", "x"]
    folder = minilm_folder()
    theirs = BertModel.from_pretrained(folder, local_files_only=True, use_safetensors=True).eval()
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    found = pretrained_towers("minilm", replace(PRESETS["minilm"], encoders="bert")).eval()
    length = found.config.max_tokens
    tokenizer.no_padding()
    expected = np.array([by_hand(theirs, tokenizer, title, length) for title in titles])
    assert np.allclose(encode_items(found, titles, precision="fp32"), expected, atol=1e-5)
    assert (encode_items(found, titles, precision="bf16") * expected).sum(axis=1).min() > 0.999


def test_minilm_with_trigrams_and_a_shallow_query_tower() -> None:
    config = replace(PRESETS["minilm"], query_layers=2, trigram_buckets=1 << 10)
    found = pretrained_towers("minilm", config).eval()
    assert len(found.query_tower.bert.bert.encoder.layer) == 2
    again = TwoTower.from_state(*found.state())
    assert torch.equal(again.encode_queries(["bracket"]), found.encode_queries(["bracket"]))
    assert again.config.to_dict() == found.config.to_dict()
