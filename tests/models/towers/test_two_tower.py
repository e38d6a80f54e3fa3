"""Towers: unit vectors, sharing, state in and out, and a space id that notices every change."""

from __future__ import annotations

import dataclasses
import json

import pytest
import torch

from models.text.tokens import train_tokenizer
from models.towers.config import PRESETS, TowerConfig
from models.towers.space_id import fingerprint, space_id
from models.towers.two_tower import TwoTower
from tests.models.shop import ITEMS, QUERIES, towers


@pytest.mark.parametrize("settings", [{"bert": False}, {}, {"fusion": "sum"}, {"shared": False}])
def test_unit_vectors_that_survive_the_state(settings: dict[str, object]) -> None:
    first = towers(**settings)  # type: ignore[arg-type]
    vectors = first.encode_items(ITEMS)
    assert vectors.shape == (len(ITEMS), 16)
    assert torch.allclose(vectors.norm(dim=1), torch.ones(len(ITEMS)))
    config, tokenizer_json, tensors = first.state()
    assert len({tensor.data_ptr() for tensor in tensors.values()}) == len(tensors)
    second = TwoTower.from_state(json.loads(json.dumps(config)), tokenizer_json, tensors)
    assert torch.equal(second.encode_items(ITEMS), vectors)
    assert torch.equal(second.encode_queries(QUERIES), first.encode_queries(QUERIES))
    assert space_id(second) == space_id(first)


def test_a_text_without_words_has_one_unit_vector() -> None:
    for bert in (False, True):
        vectors = towers(bert).encode_queries(["", " -- ", "!"])
        assert torch.allclose(vectors.norm(dim=1), torch.ones(3))


def test_before_training_shared_words_are_similar() -> None:
    found = towers(bert=False, dim=256, trigram_buckets=1 << 15)
    cosine = found.encode_queries(["czarny rower"]) @ found.encode_items(ITEMS).T
    assert ITEMS[int(cosine.argmax())].startswith("rower czarny")


def test_queries_are_normalised_as_in_the_log() -> None:
    found = towers()
    assert torch.equal(found.encode_queries(["  Żarówka\u00a0BIAŁA"]), found.encode_queries(["żarówka biała"]))


def test_shared_towers_agree_and_separate_ones_part_in_training() -> None:
    shared, apart = towers(), towers(shared=False)
    assert shared.query_tower is shared.item_tower
    assert torch.equal(apart.encode_queries(["buty"]), apart.encode_items(["buty"]))  # equal at first
    with torch.no_grad():
        apart.query_tower.trigrams.bag.weight.mul_(-1)
    assert not torch.allclose(apart.encode_queries(["buty"]), apart.encode_items(["buty"]))


def test_both_encoders_reach_the_vector() -> None:
    found = towers()
    before = found.encode_items(["buty"])
    for part in (found.item_tower.trigrams.bag.weight, found.item_tower.project.weight):
        kept = part.detach().clone()
        with torch.no_grad():
            part.copy_(torch.randn(part.shape, generator=torch.Generator().manual_seed(1)))
        assert not torch.allclose(found.encode_items(["buty"]), before)
        with torch.no_grad():
            part.copy_(kept)


def test_a_text_does_not_feel_its_batch() -> None:
    found = towers()
    together = found.encode_items([*ITEMS, "bardzo " * 30])
    alone = torch.cat([found.encode_items([text]) for text in ITEMS])
    assert torch.allclose(together[:-1], alone, atol=1e-6)


def test_space_id_changes_with_every_ingredient() -> None:
    config, tokenizer_json, tensors = towers().state()
    ids = {fingerprint(config, tokenizer_json, tensors)}
    for name in config:
        ids.add(fingerprint({**config, name: "other"}, tokenizer_json, tensors))
    other_words = train_tokenizer(["inne słowa"], 100).to_str()
    ids.add(fingerprint(config, other_words, tensors))
    for name, tensor in tensors.items():
        moved = tensor.clone()
        moved.view(-1)[-1] = torch.nextafter(moved.view(-1)[-1], torch.tensor(9.0))  # by one bit
        ids.add(fingerprint(config, tokenizer_json, {**tensors, name: moved}))
    ids.add(fingerprint(config, tokenizer_json, {name + "_": t for name, t in tensors.items()}))
    assert len(ids) == 1 + len(config) + 1 + len(tensors) + 1


def test_space_id_does_not_depend_on_spelling_or_order() -> None:
    config, tokenizer_json, tensors = towers().state()
    again = json.dumps(json.loads(tokenizer_json), indent=3)
    turned = dict(reversed(tensors.items()))
    backwards = dict(reversed(config.items()))
    assert fingerprint(backwards, again, turned) == fingerprint(config, tokenizer_json, tensors)


def test_config_round_trip_and_refusals() -> None:
    for preset in PRESETS.values():
        assert TowerConfig.from_dict(json.loads(json.dumps(preset.to_dict()))) == preset
    good = PRESETS["tiny"].to_dict()
    for change, message in [
        ({"normalisation": "0"}, "normalisation 0"),
        ({"trigrams": "0"}, "trigrams 0"),
        ({"fusion": "sumo"}, "fusion"),
        ({"metric": "l2"}, "metric"),
        ({"dims": 3}, "unknown"),
    ]:
        with pytest.raises(ValueError, match=message):
            TowerConfig.from_dict({**good, **change})


def test_other_tensors_are_refused() -> None:
    config, tokenizer_json, tensors = towers().state()
    wider = dataclasses.replace(TowerConfig.from_dict(config), dim=32).to_dict()
    with pytest.raises(RuntimeError, match="size mismatch"):
        TwoTower.from_state(wider, tokenizer_json, tensors)
