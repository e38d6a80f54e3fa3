"""The query tower as ONNX: torch's vectors for every kind of tower and whatever is typed, from the same weights."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer

from jobs.bundle.export_onnx import HOSTILE, MOST_APART, compare, tensor_places, write_query_tower
from jobs.bundle.files import QUERY_TOWER, WEIGHTS
from jobs.bundle.query_encoder import OnnxEncoder, session
from jobs.bundle.tower_files import write_towers
from models.text.tokens import train_tokenizer
from models.towers.encode import encode_queries
from models.towers.ensemble import ensemble_config
from models.towers.onnx_query_tower import Graph, query_graph
from models.towers.two_tower import PRESETS, TowerConfig, TwoTower
from tests.jobs.shop import titles

SMALL, MINI = PRESETS["small"], PRESETS["minilm"]
TINY = replace(PRESETS["tiny"], trigram_buckets=1 << 12)
KINDS = {
    "trigrams alone": TINY,
    "gate": SMALL,
    "attention": replace(SMALL, fusion="attention"),
    "sum": replace(SMALL, fusion="sum"),
    "bert alone": replace(SMALL, encoders="bert"),
    "trigrams of two": replace(SMALL, encoders="trigrams"),
    "cut": replace(SMALL, cut=100),
    "two heads": replace(SMALL, heads=2),
    "three heads of trigrams": replace(PRESETS["tiny"], trigram_buckets=1 << 12, heads=3),
    "own query tower": replace(SMALL, shared=False),
    "six layers": replace(MINI, trigram_buckets=1 << 12, vocabulary=500),
    "fewer layers for queries": replace(MINI, trigram_buckets=1 << 12, query_layers=2),
    "ensemble of trigrams": ensemble_config([TINY, replace(TINY, dim=32)], (0.7, 0.3)),
    "ensemble with BERT and own query towers": ensemble_config([replace(SMALL, shared=False)] * 2, (1, 4)),
    "other width": replace(SMALL, dim=64, bert={**SMALL.bert, "hidden_act": "gelu_new"}),
}
TYPED = ["red shoes", "Acme blue lamp 512a", "czerwone buty męskie", "ab12-x/9", *titles()[:20]]
LONG = ["x" * 10_000, "x" * 200_000, "zażółć" * 50_000, "red shoes blue lamp " * 1_000, " ".join(titles()) * 2]


def towers_of(config: TowerConfig) -> TwoTower:
    """Towers in which no weight stands at zero or one, as after a training."""
    torch.manual_seed(0)
    towers = TwoTower(config, train_tokenizer(titles(), 500))
    for weight in towers.parameters():
        if weight.dim() < 2 or not weight.any():
            weight.data += 0.3 * torch.randn_like(weight)
    return towers.eval()


@pytest.mark.parametrize("kind", KINDS)
def test_vectors_are_torchs_whatever_is_typed(kind: str, tmp_path: Path) -> None:
    towers = towers_of(KINDS[kind])
    write_towers(towers, tmp_path, TYPED[:3])
    apart = write_query_tower(towers, tmp_path, [*TYPED, *LONG])
    assert apart <= MOST_APART
    onnx.checker.check_model(str(tmp_path / QUERY_TOWER), full_check=True)
    encoder = opened(towers, tmp_path)
    # compared once more without the function that the writer trusts
    asked = [*TYPED, *LONG, *HOSTILE]
    np.testing.assert_allclose(encoder(asked), encode_queries(towers, asked, precision="fp32"), rtol=0, atol=1e-4)
    by_head = encoder(asked).reshape(len(asked), KINDS[kind].heads, -1)
    np.testing.assert_allclose(np.linalg.norm(by_head, axis=2), 1, atol=1e-5)


def opened(towers: TwoTower, folder: Path) -> OnnxEncoder:
    tokenizer = Tokenizer.from_str(towers.state()[1])
    return OnnxEncoder(session(folder / QUERY_TOWER), tokenizer, towers.config)


def test_padding_changes_nothing(tmp_path: Path) -> None:
    """Ours hands in one text at a time; another service may hand in many."""
    towers = towers_of(SMALL)
    write_towers(towers, tmp_path)
    write_query_tower(towers, tmp_path)
    encoder, asked = opened(towers, tmp_path), ["lamp", "Acme red shoes 512a for a long walk home"]
    alone = [encoder._feeds(text) for text in asked]
    wide = {
        name: np.concatenate([np.pad(one[name], ((0, 0), (0, 50 - one[name].shape[1]))) for one in alone])
        for name in alone[0]
    }
    found = session(tmp_path / QUERY_TOWER).run(None, wide)[0]
    np.testing.assert_allclose(found, encoder(asked), atol=1e-6)


def test_the_graph_is_small_repeats_itself_and_points_into_the_weights(tmp_path: Path) -> None:
    towers = towers_of(SMALL)
    write_towers(towers, tmp_path)
    write_query_tower(towers, tmp_path)
    first = (tmp_path / QUERY_TOWER).read_bytes()
    write_query_tower(towers, tmp_path)
    assert (tmp_path / QUERY_TOWER).read_bytes() == first
    assert len(first) < 20_000 < (tmp_path / WEIGHTS).stat().st_size
    model = onnx.load(str(tmp_path / QUERY_TOWER), load_external_data=False)
    held = load_file(tmp_path / WEIGHTS)
    data = (tmp_path / WEIGHTS).read_bytes()
    seen = 0
    for tensor in model.graph.initializer:
        if tensor.data_location == onnx.TensorProto.EXTERNAL:
            about = {pair.key: pair.value for pair in tensor.external_data}
            assert about["location"] == WEIGHTS
            start = int(about["offset"])
            there = np.frombuffer(data[start : start + int(about["length"])], np.float32)
            assert np.array_equal(there.reshape(tensor.dims), held[tensor.name].numpy())
            seen += 1
    assert seen > 20


def test_other_weights_under_the_graph_are_noticed(tmp_path: Path) -> None:
    towers = towers_of(SMALL)
    write_towers(towers, tmp_path)
    write_query_tower(towers, tmp_path)
    tensors = load_file(tmp_path / WEIGHTS)
    tensors["item_tower.project.weight"] *= 1.01  # one part in a hundred, of one matrix
    save_file(tensors, tmp_path / WEIGHTS)
    with pytest.raises(RuntimeError, match=r"query_tower.onnx: the vector of .* lies .* from torch's"):
        compare(towers, opened(towers, tmp_path), TYPED)


def test_what_the_graph_cannot_say_is_refused(tmp_path: Path) -> None:
    odd = towers_of(replace(SMALL, bert={**SMALL.bert, "hidden_act": "relu"}))
    write_towers(odd, tmp_path)
    with pytest.raises(ValueError, match="hidden_act 'relu'"):
        write_query_tower(odd, tmp_path)
    half = towers_of(KINDS["trigrams alone"]).to(torch.bfloat16)
    with pytest.raises(ValueError, match="bfloat16, expected torch.float32"):
        query_graph(half, WEIGHTS, {})


def test_places_are_those_of_the_file(tmp_path: Path) -> None:
    one, two = torch.arange(6.0).reshape(2, 3), torch.tensor([7.0])
    save_file({"one": one, "two": two}, tmp_path / WEIGHTS, metadata={"about": "x"})
    data = (tmp_path / WEIGHTS).read_bytes()
    for name, (start, size) in tensor_places(tmp_path / WEIGHTS).items():
        expected = {"one": one, "two": two}[name].numpy().tobytes()
        assert data[start : start + size] == expected


def test_a_constant_is_kept_once() -> None:
    graph = Graph({}, WEIGHTS, {})
    assert graph.constant(1) == graph.constant(1) != graph.constant(1.0)
