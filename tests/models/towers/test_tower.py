"""One tower in three parts: fusing by hand, encoders apart, towers of unlike depth, vectors cut short."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
import torch
from torch.nn import functional

from models.towers.config import PRESETS, TowerConfig
from models.towers.space_id import fingerprint, items_space, space_id
from models.towers.two_tower import TwoTower
from tests.models.shop import BERT, ITEMS, QUERIES, towers

DEEP = {**BERT, "num_hidden_layers": 2}
VARIETY: list[dict[str, object]] = [
    {"fusion": "attention"},
    {"fusion": "sum", "shared": False},
    {"encoders": "bert"},
    {"encoders": "trigrams"},
    {"bert": DEEP, "query_layers": 1},
    {"bert": DEEP, "query_layers": 1, "encoders": "bert"},
    {"bert": DEEP, "query_layers": 1, "shared": False},
    {"cut": 8, "fusion": "attention"},
    {"items_of": "0123456789abcdef"},
]
some_towers = pytest.mark.parametrize("settings", VARIETY, ids=str)


def stir(found: TwoTower) -> TwoTower:
    """Weights as after some training: every one moved, shared ones once."""
    draw = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for weight in found.parameters():
            weight.add_(0.1 * torch.randn(weight.shape, generator=draw))
    return found.eval()


@some_towers
def test_unit_vectors_that_survive_the_state(settings: dict[str, object]) -> None:
    first = stir(towers(**settings))  # type: ignore[arg-type]
    items, queries = first.encode_items(ITEMS), first.encode_queries(QUERIES)
    assert items.shape == (len(ITEMS), first.config.width)
    assert items.dtype == torch.float32
    assert torch.allclose(items.norm(dim=1), torch.ones(len(ITEMS)))
    config, tokenizer_json, tensors = first.state()
    assert len({tensor.data_ptr() for tensor in tensors.values()}) == len(tensors)
    second = TwoTower.from_state(json.loads(json.dumps(config)), tokenizer_json, tensors)
    assert torch.equal(second.encode_items(ITEMS), items)
    assert torch.equal(second.encode_queries(QUERIES), queries)
    assert space_id(second) == space_id(first)


def fused_by_hand(found: TwoTower, text: str) -> np.ndarray:
    """The vector of one text, in plain numpy from what the encoders say."""
    tower = found.item_tower
    store = found.store([text])
    with torch.inference_mode():
        shallow = tower.shallow(*store.trigram_batch(found.device))
        deep = tower.deep(*store.token_batch(found.pad, found.device))
    assert shallow is not None
    both = [shallow.numpy()[0], tower.project.weight.detach().numpy() @ deep.numpy()[0]]
    w = {name: weight.detach().numpy() for name, weight in tower.weigh.named_parameters()}
    scores = w["bias"].astype(float)
    if found.config.fusion == "gate":
        scores = scores + w["weight"] @ np.concatenate(both)
    if found.config.fusion == "attention":
        scores = scores + [w["context"][e] @ np.tanh(both[e] @ w["look"][e]) for e in (0, 1)]
    share = np.exp(scores) / np.exp(scores).sum()
    joined = share[0] * both[0] + share[1] * both[1]
    vector: np.ndarray = joined / np.sqrt((joined**2).sum())
    return vector


@pytest.mark.parametrize("fusion", ["gate", "attention", "sum"])
def test_fusing_text_by_text_by_hand(fusion: str) -> None:
    found = stir(towers(fusion=fusion))
    vectors = found.encode_items(ITEMS).numpy()
    expected = [fused_by_hand(found, text) for text in ITEMS]
    assert np.allclose(vectors, expected, atol=1e-6)


def test_at_first_every_fusion_weighs_both_encoders_alike() -> None:
    gate, attention = towers(fusion="gate"), towers(fusion="attention")
    assert torch.allclose(gate.encode_items(ITEMS), attention.encode_items(ITEMS), atol=1e-6)


def test_attention_learns_from_its_first_step() -> None:
    found = towers(fusion="attention")
    (found.forward_items(found.store(ITEMS)) ** 3).sum().backward()
    grad = found.item_tower.weigh.context.grad
    assert grad is not None
    assert grad.abs().max() > 0


def test_one_encoder_reads_what_it_reads_and_nothing_else() -> None:
    bert, trigrams = towers(encoders="bert"), towers(encoders="trigrams")
    assert not any("trigrams" in name for name in bert.state()[2])
    assert not any("bert" in name for name in trigrams.state()[2])
    stored = bert.store(ITEMS), trigrams.store(ITEMS)
    assert len(stored[0]) == len(stored[1]) == len(ITEMS)
    assert not len(stored[0].trigrams.values)
    assert not len(stored[1].tokens.values)
    empty = bert.item_tower.shallow(*stored[0].trigram_batch(bert.device))
    assert empty is None
    # trigrams alone are the preset without BERT, whatever BERT the settings name
    plain = towers(bert=False)
    plain.load_tensors(trigrams.state()[2])
    assert torch.equal(plain.encode_items(ITEMS), trigrams.encode_items(ITEMS))


@pytest.mark.parametrize("shared", [True, False])
def test_a_shallower_query_tower(shared: bool) -> None:
    found = towers(bert=DEEP, query_layers=1, shared=shared)
    bert = found.query_tower.bert.bert
    assert len(bert.encoder.layer) == bert.config.num_hidden_layers == 1
    assert len(found.item_tower.bert.bert.encoder.layer) == 2
    assert not torch.allclose(found.encode_queries(ITEMS), found.encode_items(ITEMS), atol=1e-3)

    # at first it is the item tower, stopped after its first layer
    stopped = towers(bert=DEEP)
    stopped.item_tower.bert.bert.encoder.layer = stopped.item_tower.bert.bert.encoder.layer[:1]
    assert torch.equal(found.encode_queries(QUERIES), stopped.encode_items(QUERIES))

    # shared: a word that items have moved has moved in queries too; what is above the words is own
    before = found.encode_queries(QUERIES)
    with torch.no_grad():
        found.item_tower.bert.bert.embeddings.word_embeddings.weight.mul_(0.5)
        found.item_tower.trigrams.bag.weight[::2] = 0.3
    moved = not torch.allclose(found.encode_queries(QUERIES), before, atol=1e-4)
    assert moved == shared
    before = found.encode_queries(QUERIES)
    with torch.no_grad():
        for weight in found.item_tower.bert.bert.encoder.layer[0].parameters():
            weight.add_(0.1)
        found.item_tower.project.weight.mul_(-1)
    assert torch.equal(found.encode_queries(QUERIES), before)


def test_a_cut_is_the_prefix_of_the_whole_vector() -> None:
    whole = stir(towers())
    config, tokenizer_json, tensors = whole.state()
    short = TwoTower.from_state({**config, "cut": 5}, tokenizer_json, tensors)
    prefix = functional.normalize(whole.encode_items([*ITEMS, ""])[:, :5], dim=1)
    assert torch.allclose(short.encode_items([*ITEMS, ""]), prefix, atol=1e-6)
    assert space_id(short) != space_id(whole)


def test_parts_in_pieces_are_the_whole() -> None:
    """The passes of GradCache: trigrams at once, BERT in chunks, fusion at once."""
    found = stir(towers())
    store = found.store([*ITEMS, "", "model"])
    tower = found.item_tower
    with torch.inference_mode():
        shallow = tower.shallow(*store.trigram_batch(found.device))
        chunks = np.array_split(np.arange(len(store)), 5)
        deep = [tower.deep(*store.take(rows).token_batch(found.pad, found.device)) for rows in chunks]
        pieces = tower.fuse(shallow, torch.cat(deep))
        whole = tower.deep(*store.token_batch(found.pad, found.device))
        assert torch.allclose(pieces, tower.fuse(shallow, whole), atol=1e-6)
        assert torch.allclose(pieces, found.forward_items(store), atol=1e-6)


def test_towers_of_before_these_settings_keep_their_space_id() -> None:
    """The config as it was written then; the id by an outline of today's rules."""
    found = towers(bert=False)
    config, tokenizer_json, tensors = found.state()
    assert set(config) == {
        *("dim", "trigram_buckets", "bert", "max_tokens", "vocabulary", "fusion", "shared"),
        *("text_template", "metric", "normalisation", "trigrams"),
    }
    again = TwoTower.from_state(config, tokenizer_json, tensors)
    assert again.config == found.config
    assert space_id(again) == fingerprint(config, tokenizer_json, tensors)


def test_every_later_setting_enters_the_space_id() -> None:
    found = towers(bert=DEEP)
    _, tokenizer_json, tensors = found.state()
    changes: list[dict[str, object]] = [
        {},
        {"encoders": "bert"},
        {"query_layers": 1},
        {"cut": 3},
        {"items_of": "0" * 16},
    ]
    configs = [dataclasses.replace(found.config, **change) for change in changes]  # type: ignore[arg-type]
    ids = {fingerprint(config.to_dict(), tokenizer_json, tensors) for config in configs}
    assert len(ids) == len(changes)
    for config in configs:
        assert TowerConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


def test_embeddings_stand_under_the_towers_that_made_them() -> None:
    own, refreshed = towers(), towers(items_of="0123456789abcdef")
    assert items_space(own) == space_id(own)
    assert items_space(refreshed) == "0123456789abcdef" != space_id(refreshed)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"encoders": "none"}, "encoders='none': expected one of both, bert, trigrams"),
        ({"encoders": "bert", "bert": {}}, "no BERT"),
        ({"query_layers": 2}, "items' BERT has 1 layers"),
        ({"query_layers": 1, "encoders": "trigrams"}, "items' BERT has 0 layers"),
        ({"cut": 257}, "expected 1 to 256"),
    ],
)
def test_towers_that_cannot_be_are_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(PRESETS["small"], **change)  # type: ignore[arg-type]


def test_tensors_of_another_shape_of_towers_are_refused() -> None:
    config, tokenizer_json, tensors = towers(bert=DEEP, query_layers=1).state()
    with pytest.raises(RuntimeError, match="query_tower"):
        TwoTower.from_state({**config, "query_layers": 2}, tokenizer_json, tensors)
    with pytest.raises(RuntimeError, match="Unexpected key"):
        TwoTower.from_state({**config, "encoders": "bert"}, tokenizer_json, tensors)
